// A front end's code as the generated types check it: it is compiled and never run. Each line under
// `@ts-expect-error` is one that the compiler must refuse.

import type { ResultOf, VariablesOf } from '@graphql-typed-document-node/core';

import { graphql } from './__generated__/from-file';
import type { CreateCommentInput } from './__generated__/from-file/graphql';

const PostDocument = graphql(`
  query Post($id: ID!, $order: CommentOrder! = NEWEST_FIRST) {
    post(id: $id) {
      title
      cursor
      viewerCount
      comments(first: 20, order: $order) {
        nodes {
          id
          body
          editedAt
          author {
            name
            avatar
          }
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`);

const CommentChangedDocument = graphql(`
  subscription CommentChanged($postId: ID!, $after: Cursor) {
    commentChanged(postId: $postId, after: $after) {
      kind
      cursor
      comment {
        id
        body
      }
    }
  }
`);

const CreateCommentDocument = graphql(`
  mutation CreateComment($input: CreateCommentInput!) {
    createComment(input: $input) {
      comment {
        id
        replyCount
      }
    }
  }
`);

/** Returns the variables of a subscription that continues what was read. */
export function start(id: string, read: ResultOf<typeof PostDocument>) {
  const variables: VariablesOf<typeof CommentChangedDocument> = { postId: id, after: read.post?.cursor };
  return variables;
}

export function headline({ post }: ResultOf<typeof PostDocument>): string {
  if (!post) return 'There is no such post';
  const viewers: number = post.viewerCount;
  // @ts-expect-error: an author has no picture.
  post.comments.nodes[0]?.author.picture;
  // @ts-expect-error: editedAt is null unless the comment was edited.
  const edited: string = post.comments.nodes[0]!.editedAt;
  return `${post.title} (${viewers}, ${edited})`;
}

export function verb({ commentChanged }: ResultOf<typeof CommentChangedDocument>): string {
  switch (commentChanged.kind) {
    case 'ADDED':
      return 'wrote';
    case 'EDITED':
      return 'changed';
    case 'DELETED':
      return 'took back';
    case 'RESTORED':
      return 'has again';
  }
}

export const newest: VariablesOf<typeof PostDocument> = { id: 'a-post', order: 'NEWEST_FIRST' };
export const topLevel: CreateCommentInput = { postId: 'a-post', body: 'Hello.' };
// @ts-expect-error: a comment has a body.
export const empty: VariablesOf<typeof CreateCommentDocument> = { input: { postId: 'a-post' } };
