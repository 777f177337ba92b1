// What this page asks of the server. `npm run generate` makes types of it.

import { graphql } from './gql';

/**
 * What the feed brings of a comment. It has no count of replies: catching up brings each comment as it
 * is by now, and would count the replies that the feed brings next.
 */
export const COMMENT = graphql(`
  fragment Comment on Comment {
    id
    postId
    parentId
    body
    createdAt
    editedAt
    isDeleted
    author {
      id
      name
      role
      isGuest
    }
  }
`);

/** What a page of comments brings of each. */
export const COUNTED = graphql(`
  fragment Counted on Comment {
    ...Comment
    replyCount
  }
`);

export const THREAD = graphql(`
  fragment Thread on Comment {
    ...Counted
    replies(first: 10) {
      nodes {
        ...Counted
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

export const POSTS = graphql(`
  query Posts {
    posts(first: 50) {
      nodes {
        id
        title
        createdAt
        commentCount
        viewerCount
      }
    }
  }
`);

export const POST = graphql(`
  query Post($id: ID!) {
    post(id: $id) {
      id
      title
      url
      createdAt
      cursor
      commentCount
      comments(first: 20, order: NEWEST_FIRST) {
        nodes {
          ...Thread
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`);

export const OLDER_COMMENTS = graphql(`
  query OlderComments($id: ID!, $after: String) {
    post(id: $id) {
      comments(first: 20, order: NEWEST_FIRST, after: $after) {
        nodes {
          ...Thread
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`);

export const MORE_REPLIES = graphql(`
  query MoreReplies($id: ID!, $after: String) {
    comment(id: $id) {
      replyCount
      replies(first: 50, after: $after) {
        nodes {
          ...Counted
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`);

/** Where to look for a comment whose answer was lost: the newest of a post, or the replies to one. */
export const LATEST = graphql(`
  query Latest($postId: ID!, $parentId: ID!, $isReply: Boolean!) {
    post(id: $postId) @skip(if: $isReply) {
      id
      comments(first: 20, order: NEWEST_FIRST) {
        nodes {
          ...Counted
        }
      }
    }
    comment(id: $parentId) @include(if: $isReply) {
      id
      replies(first: 100) {
        nodes {
          ...Counted
        }
      }
    }
  }
`);

export const COMMENT_COUNT = graphql(`
  query CommentCount($id: ID!) {
    post(id: $id) {
      commentCount
    }
  }
`);

export const SIGN_IN_AS_GUEST = graphql(`
  mutation SignInAsGuest($name: String!) {
    signInAsGuest(input: { name: $name }) {
      token
      user {
        id
        name
        role
        isGuest
      }
    }
  }
`);

export const CREATE_COMMENT = graphql(`
  mutation CreateComment($input: CreateCommentInput!) {
    createComment(input: $input) {
      comment {
        ...Comment
      }
    }
  }
`);

export const EDIT_COMMENT = graphql(`
  mutation EditComment($input: EditCommentInput!) {
    editComment(input: $input) {
      comment {
        ...Comment
      }
    }
  }
`);

export const DELETE_COMMENT = graphql(`
  mutation DeleteComment($id: ID!) {
    deleteComment(input: { id: $id }) {
      comment {
        ...Comment
      }
    }
  }
`);

export const SET_TYPING = graphql(`
  mutation SetTyping($input: SetTypingInput!) {
    setTyping(input: $input) {
      isTyping
    }
  }
`);

export const COMMENT_CHANGED = graphql(`
  subscription CommentChanged($postId: ID!, $after: Cursor) {
    commentChanged(postId: $postId, after: $after) {
      kind
      cursor
      comment {
        ...Comment
      }
    }
  }
`);

export const VIEWER_COUNT = graphql(`
  subscription ViewerCount($postId: ID!) {
    viewerCount(postId: $postId)
  }
`);

export const TYPING = graphql(`
  subscription Typing($postId: ID!) {
    typing(postId: $postId) {
      isTyping
      user {
        id
        name
      }
    }
  }
`);
