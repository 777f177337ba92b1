// The posts, newest first.

import { useQuery } from '@apollo/client/react';

import { Problem } from './Problem';
import { Time } from './Time';
import { POSTS } from './operations';

export function PostList() {
  const { data, error, refetch } = useQuery(POSTS, { fetchPolicy: 'cache-and-network' });
  // That it failed again is told by `error`.
  if (error) return <Problem error={error} retry={() => refetch().catch(() => {})} />;
  return (
    <>
      <h1>Posts</h1>
      <ul className="posts">
        {data?.posts.nodes.map((post) => (
          <li key={post.id}>
            <a href={`#/post/${encodeURIComponent(post.id)}`} dir="auto">
              {post.title}
            </a>
            <p className="meta">
              <Time of={post.createdAt} />
              <span>{post.commentCount === 1 ? '1 comment' : `${post.commentCount} comments`}</span>
              {post.viewerCount > 0 && <span className="here">{post.viewerCount} reading</span>}
            </p>
          </li>
        ))}
      </ul>
    </>
  );
}
