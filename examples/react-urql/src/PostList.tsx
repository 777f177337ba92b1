// The posts, newest first.

import { useQuery } from 'urql';

import { Problem } from './Problem';
import { Time } from './Time';
import { POSTS } from './operations';

export function PostList() {
  const [{ data, error }, read] = useQuery({ query: POSTS });
  if (error) return <Problem error={error} retry={() => read({ requestPolicy: 'network-only' })} />;
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
