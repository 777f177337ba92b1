"""The main scenario with gql, Python's GraphQL client: everything over one WebSocket a client.

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
ARRIVES_WITHIN = 5

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
    """A client for `async with`, which checks each operation against the server's own schema."""
    transport = WebsocketsTransport(
        url=url,
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        init_payload=init_payload,
    )
    return Client(transport=transport, fetch_schema_from_transport=True)


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, ARRIVES_WITHIN)


async def guest(name):
    """A guest's identity, for `connect`."""
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
    """The changes to a post, whatever becomes of the connection: behind the last one, it goes on."""
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
    """Passes everything on to the server until it is cut."""

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
    async def test_a_post_is_read_and_a_comment_written_elsewhere_arrives(self):
        post_id = await create_post()
        async with connect() as reader, connect(**await guest("Ada")) as ada:
            post = await read(reader, post_id)
            self.assertEqual((post["title"], post["comments"]["nodes"]), ("Read by many", []))
            sees = changes(reader, post)
            await write(ada, post_id, "Hello.")
            change = (await soon(anext(sees)))["commentChanged"]
            self.assertEqual(change["kind"], "ADDED")
            self.assertEqual(change["comment"], {"body": "Hello.", "author": {"name": "Ada"}})
            await sees.aclose()

    async def test_a_client_that_names_itself_is_not_sent_its_own_comment(self):
        post_id = await create_post()
        as_ada = await guest("Ada")
        async with (
            connect(**as_ada) as ada,
            # By its name it is the same client, though the connection is another.
            connect(**as_ada) as ada_too,
            connect(**await guest("Bob")) as bob,
        ):
            sees = changes(ada, await read(ada, post_id))
            self.assertEqual((await write(ada_too, post_id, "by Ada"))["body"], "by Ada")
            await write(bob, post_id, "by Bob")
            # Had Ada's own been sent, it would come first.
            change = (await soon(anext(sees)))["commentChanged"]
            self.assertEqual(change["comment"]["body"], "by Bob")
            await sees.aclose()

    async def test_readers_are_counted_as_they_come_and_go(self):
        post_id = await create_post()
        async with connect() as ada, connect() as bob:
            ada_counts, bob_counts = viewer_counts(ada, post_id), viewer_counts(bob, post_id)
            self.assertEqual(await soon(anext(ada_counts)), {"viewerCount": 1})
            self.assertEqual(await soon(anext(bob_counts)), {"viewerCount": 2})
            self.assertEqual(await soon(anext(ada_counts)), {"viewerCount": 2})
            await bob_counts.aclose()
            self.assertEqual(await soon(anext(ada_counts)), {"viewerCount": 1})
            await ada_counts.aclose()

    async def test_a_client_that_is_cut_off_comes_back_and_has_missed_nothing(self):
        post_id = await create_post()
        async with Network() as network, connect(**await guest("Ada")) as ada:
            sees = following(network.url, await read(ada, post_id))
            seen = []
            for number in range(6):
                await write(ada, post_id, f"{number}, written while away")
                await write(ada, post_id, f"{number}, written too")
                for _ in range(2):
                    seen.append((await soon(anext(sees)))["comment"]["body"])
                network.cut()
            written = ("written while away", "written too")
            self.assertEqual(seen, [f"{number}, {how}" for number in range(6) for how in written])
            await sees.aclose()

    async def test_what_is_refused_is_refused_with_its_code(self):
        async with connect() as reader:
            with self.assertRaises(TransportQueryError) as refused:
                await soon(anext(changes(reader, {"id": "no-such-post", "cursor": None})))
            self.assertEqual(refused.exception.errors[0]["extensions"]["code"], "NOT_FOUND")


if __name__ == "__main__":
    unittest.main()
