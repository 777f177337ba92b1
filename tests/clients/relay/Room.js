// The operations of a page with Relay. Relay's compiler reads this file, and nothing runs it.

import { graphql } from 'relay-runtime';

graphql`
  fragment RoomComment on Comment {
    id
    body
    isDeleted
    createdAt
    author {
      id
      name
    }
  }
`;

graphql`
  query RoomPostQuery($id: ID!, $count: Int = 50, $after: String) {
    post(id: $id) {
      id
      title
      cursor
      comments(first: $count, after: $after) @connection(key: "Room_comments") {
        edges {
          node {
            ...RoomComment
          }
        }
      }
    }
  }
`;

graphql`
  subscription RoomCommentChangedSubscription($postId: ID!, $after: Cursor) {
    commentChanged(postId: $postId, after: $after) {
      kind
      cursor
      comment {
        id
        body
        isDeleted
        author {
          id
          name
        }
        ...RoomComment
      }
    }
  }
`;

graphql`
  subscription RoomViewerCountSubscription($postId: ID!) {
    viewerCount(postId: $postId)
  }
`;

graphql`
  mutation RoomCreateCommentMutation($input: CreateCommentInput!, $connections: [ID!]!) {
    createComment(input: $input) {
      comment @appendNode(connections: $connections, edgeTypeName: "CommentEdge") {
        id
        body
        ...RoomComment
      }
    }
  }
`;
