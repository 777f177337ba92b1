//! The test harness: a real server on a real socket with a real database. `testkit` has what needs no part of
//! the server: programs, proxies and clients.

mod checker;
mod database;
pub(crate) mod frame;
mod issuer;
mod node;
mod reader;
mod server;
mod stream;

pub(crate) use testkit::{
    Signal,
    http_client::{Client, Reply},
    node::Node,
    process::Program,
    wait::{wait_until, wait_until_within, within},
    ws_client::{Frame, Socket, upgrade_request},
};

pub(crate) use self::{
    checker::Checker,
    database::{
        another_program, database_url, everything, lock, on_postgres, postgres_url, raise_error,
        run, sqlite_url, trigger,
    },
    issuer::{Behaviour, Issuer, Key, set as jwk_set},
    node::{causerie, start_node, start_node_on, start_on_full_disk, user},
    reader::Reader,
    server::{BRIEFLY, SECRET, TestServer, settings, token, token_for},
    stream::{Chunk, Event, Request, Streaming},
};
