// What this page asks of the server. `npm run generate` makes types of it.

import { graphql } from './gql';

export const COMMENT = graphql(`
  fragment Comment on Comment {
    id
    postId
    parentId
    body
    createdAt
    publishedAt
    editedAt
    isDeleted
    isListed
    replyCount
    author {
      id
      name
      role
      isGuest
    }
  }
`);

/** A change, with the counts that it changed. */
export const CHANGED = graphql(`
  fragment Changed on Comment {
    ...Comment
    post {
      commentCount
    }
    parent {
      replyCount
    }
  }
`);

export const THREAD = graphql(`
  fragment Thread on Comment {
    ...Comment
    replies(first: 10) {
      nodes {
        ...Comment
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

/** What changes of a post while it is open. */
export const DETAILS = graphql(`
  fragment Details on Post {
    title
    url
    isOpen
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
      createdAt
      cursor
      commentCount
      ...Details
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

export const POST_DETAILS = graphql(`
  query PostDetails($id: ID!) {
    post(id: $id) {
      ...Details
    }
  }
`);

/** The reader's own comments that others do not see. */
export const UNPUBLISHED = graphql(`
  query Unpublished($postId: ID!) {
    viewer {
      unpublishedComments(postId: $postId, first: 100) {
        nodes {
          id
          parentId
          body
          createdAt
          editedAt
          status
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
          ...Comment
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
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
      status
      comment {
        ...Changed
      }
    }
  }
`);

export const EDIT_COMMENT = graphql(`
  mutation EditComment($input: EditCommentInput!) {
    editComment(input: $input) {
      status
      comment {
        ...Changed
      }
    }
  }
`);

export const DELETE_COMMENT = graphql(`
  mutation DeleteComment($id: ID!) {
    deleteComment(input: { id: $id }) {
      comment {
        ...Changed
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
      cursor
      comment {
        ...Changed
      }
    }
  }
`);

export const POST_CHANGED = graphql(`
  subscription PostChanged($postId: ID!) {
    postChanged(postId: $postId) {
      ...Details
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
