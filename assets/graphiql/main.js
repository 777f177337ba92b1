const endpoint = new URL('graphql', location.href);
const liveEndpoint = new URL(endpoint);
liveEndpoint.protocol = endpoint.protocol === 'https:' ? 'wss:' : 'ws:';

// Given both addresses, GraphiQL sends what its Headers editor holds with every request, and for
// a subscription as the payload of connection_init: one {"Authorization": "Bearer …"} does both.
const fetcher = GraphiQL.createFetcher({ url: endpoint.href, subscriptionUrl: liveEndpoint.href });

const defaultQuery = `# The posts that are open to comments,
# and how many people are reading each now.
query Posts {
  posts(first: 5) {
    nodes { id title commentCount viewerCount }
  }
}

# What happens under one of them, as it does.
# Put its id in, and take the # away.
# subscription Changes {
#   commentChanged(postId: "the id of a post") {
#     kind
#     comment { id body author { name } }
#   }
# }

# A token to write with. In the Headers tab:
# {"Authorization": "Bearer …"}
# mutation SignIn {
#   signInAsGuest(input: { name: "Ada" }) {
#     token
#   }
# }
`;

ReactDOM.createRoot(document.getElementById('graphiql')).render(
  React.createElement(GraphiQL, { fetcher, defaultQuery }),
);
