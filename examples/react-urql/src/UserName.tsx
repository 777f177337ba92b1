// A user's name, isolated from the text around it, whatever its direction.

import type { CommentFragment } from './gql/graphql';

type User = CommentFragment['author'];

/** The name, with a badge of who may speak for the site, or of a guest, who may take any name. */
export function UserName({ user }: { user: User }) {
  const badge = badgeOf(user);
  return (
    <>
      <b>
        <bdi>{user.name}</bdi>
      </b>
      {badge && <span className="badge">{badge}</span>}
    </>
  );
}

function badgeOf({ isGuest, role }: User) {
  if (isGuest) return 'guest';
  if (role === 'AUTHOR') return 'author';
  if (role === 'MODERATOR') return 'moderator';
  return null;
}
