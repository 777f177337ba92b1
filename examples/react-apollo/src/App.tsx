// The frame: which page is open, and who reads it.

import { useReactiveVar } from '@apollo/client/react';
import { useSyncExternalStore } from 'react';

import { PostList } from './PostList';
import { PostPage } from './PostPage';
import { session, signIn } from './client';

const followHash = (listener: () => void) => {
  addEventListener('hashchange', listener);
  return () => removeEventListener('hashchange', listener);
};

export function App() {
  const hash = useSyncExternalStore(followHash, () => location.hash);
  const postId = hash.startsWith('#/post/') ? decodeURIComponent(hash.slice('#/post/'.length)) : null;
  const reader = useReactiveVar(session);
  return (
    <>
      <header className="site">
        <a className="wordmark" href="#/">
          The Margin
        </a>
        {reader ? (
          <p className="reader">
            <bdi>{reader.user.name}</bdi>
            <button onClick={() => signIn(null)}>Sign out</button>
          </p>
        ) : (
          <p className="reader">Reading anonymously</p>
        )}
      </header>
      <main>{postId ? <PostPage key={postId} id={postId} /> : <PostList />}</main>
    </>
  );
}
