"""The main scenario with gql, Python's GraphQL client: everything over one WebSocket for each client.

Takes SOCKET_URL, and AUTHOR_TOKEN for opening posts, from its environment.
"""

import asyncio
import os
import unittest
from urllib.parse import urlsplit
from uuid import uuid4

from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError
from gql.transport.websockets import WebsocketsTransport

SOCKET_URL = os.environ["SOCKET_URL"]
AUTHOR_TOKEN = os.environ["AUTHOR_TOKEN"]
ARRIVES_WITHIN = 60

POST = "query ($id: ID!) { post(id: $id) { id title cursor comments(first: 50) { nodes { body } } } }"
CREATE_POST = "mutation ($input: CreatePostInput!) { createPost(input: $input) { post { id } } }"
CREATE_COMMENT = """mutation ($input: CreateCommentInput!) {
    createComment(input: $input) { comment { id body } }
}"""
SIGN_IN = "mutation ($input: SignInAsGuestInput!) { signInAsGuest(input: $input) { token } }"
COMMENT_CHANGED = """subscription ($postId: ID!, $after: Cursor) {
    commentChanged(postId: $postId, after: $after) {
        kind cursor comment { body author { name } }
    }
}"""
VIEWER_COUNT = "subscription ($postId: ID!) { viewerCount(postId: $postId) }"


def connect(url=SOCKET_URL, **init_payload):
    """Returns a client for `async with` that validates operations against the server's own schema."""
    transport = WebsocketsTransport(
        url=url,
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        init_payload=init_payload,
    )
    return Client(transport=transport, fetch_schema_from_transport=True)


async def within(awaitable):
    return await asyncio.wait_for(awaitable, ARRIVES_WITHIN)


async def guest(name):
    """Signs in a guest, and returns the arguments for `connect`."""
    async with connect() as session:
        request = GraphQLRequest(SIGN_IN, variable_values={"input": {"name": name}})
        token = (await session.execute(request))["signInAsGuest"]["token"]
        return {"authorization": token, "clientId": f"client-of-{name}"}


async def create_post():
    async with connect(authorization=AUTHOR_TOKEN) as session:
        new = {"id": f"post-{uuid4()}", "title": "Read by many"}
        await session.execute(GraphQLRequest(CREATE_POST, variable_values={"input": new}))
        return new["id"]


async def write(session, post_id, body):
    request = GraphQLRequest(
        CREATE_COMMENT, variable_values={"input": {"postId": post_id, "body": body}}
    )
    return (await session.execute(request))["createComment"]["comment"]


async def read(session, post_id):
    request = GraphQLRequest(POST, variable_values={"id": post_id})
    return (await session.execute(request))["post"]


def changes(session, post):
    return session.subscribe(
        GraphQLRequest(
            COMMENT_CHANGED, variable_values={"postId": post["id"], "after": post["cursor"]}
        )
    )


def viewer_counts(session, post_id):
    return session.subscribe(
        GraphQLRequest(VIEWER_COUNT, variable_values={"postId": post_id})
    )


async def following(url, post):
    """Yields the changes to a post, and resumes after the last one when the connection is lost."""
    while True:
        try:
            async with connect(url) as session:
                async for data in changes(session, post):
                    change = data["commentChanged"]
                    post = {**post, "cursor": change["cursor"]}
                    yield change
        except (TransportConnectionFailed, OSError):
            await asyncio.sleep(0.01)


class Network:
    """A proxy to the server whose connections can be cut."""

    async def __aenter__(self):
        self.writers = set()
        self.listener = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        port = self.listener.sockets[0].getsockname()[1]
        self.url = SOCKET_URL.replace(urlsplit(SOCKET_URL).netloc, f"127.0.0.1:{port}")
        return self

    async def __aexit__(self, *_):
        self.listener.close()
        self.cut()

    async def accept(self, near_reader, near_writer):
        server = urlsplit(SOCKET_URL)
        far_reader, far_writer = await asyncio.open_connection(server.hostname, server.port)
        self.writers |= {near_writer, far_writer}
        await asyncio.gather(
            self.pass_on(near_reader, far_writer), self.pass_on(far_reader, near_writer)
        )

    async def pass_on(self, reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    def cut(self):
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()


class MainScenario(unittest.IsolatedAsyncioTestCase):
    async def test_post_is_read_and_comment_of_another_client_arrives(self):
        post_id = await create_post()
        async with connect() as reader, connect(**await guest("Ada")) as ada:
            post = await read(reader, post_id)
            self.assertEqual((post["title"], post["comments"]["nodes"]), ("Read by many", []))
            sees = changes(reader, post)
            await write(ada, post_id, "Hello.")
            change = (await within(anext(sees)))["commentChanged"]
            self.assertEqual(change["kind"], "ADDED")
            self.assertEqual(change["comment"], {"body": "Hello.", "author": {"name": "Ada"}})
            await sees.aclose()

    async def test_named_client_does_not_receive_its_own_comment(self):
        post_id = await create_post()
        as_ada = await guest("Ada")
        async with (
            connect(**as_ada) as ada,
            # The name makes it the same client, on another connection.
            connect(**as_ada) as ada_too,
            connect(**await guest("Bob")) as bob,
        ):
            sees = changes(ada, await read(ada, post_id))
            self.assertEqual((await write(ada_too, post_id, "by Ada"))["body"], "by Ada")
            await write(bob, post_id, "by Bob")
            # Ada's own comment, if sent, would have come first.
            change = (await within(anext(sees)))["commentChanged"]
            self.assertEqual(change["comment"]["body"], "by Bob")
            await sees.aclose()

    async def test_viewer_count_follows_joins_and_leaves(self):
        post_id = await create_post()
        async with connect() as ada, connect() as bob:
            ada_counts, bob_counts = viewer_counts(ada, post_id), viewer_counts(bob, post_id)
            self.assertEqual(await within(anext(ada_counts)), {"viewerCount": 1})
            self.assertEqual(await within(anext(bob_counts)), {"viewerCount": 2})
            self.assertEqual(await within(anext(ada_counts)), {"viewerCount": 2})
            await bob_counts.aclose()
            self.assertEqual(await within(anext(ada_counts)), {"viewerCount": 1})
            await ada_counts.aclose()

    async def test_cut_off_client_resumes_and_misses_nothing(self):
        post_id = await create_post()
        async with Network() as network, connect(**await guest("Ada")) as ada:
            sees = following(network.url, await read(ada, post_id))
            seen = []
            for number in range(6):
                await write(ada, post_id, f"{number}, written while away")
                await write(ada, post_id, f"{number}, written too")
                for _ in range(2):
                    seen.append((await within(anext(sees)))["comment"]["body"])
                network.cut()
            written = ("written while away", "written too")
            self.assertEqual(seen, [f"{number}, {how}" for number in range(6) for how in written])
            await sees.aclose()

    async def test_refused_subscription_has_an_error_code(self):
        async with connect() as reader:
            with self.assertRaises(TransportQueryError) as refused:
                await within(anext(changes(reader, {"id": "no-such-post", "cursor": None})))
            self.assertEqual(refused.exception.errors[0]["extensions"]["code"], "NOT_FOUND")


if __name__ == "__main__":
    unittest.main()
