//! The test harness: a real server on a real socket with a real database, and clients that share no code with
//! it.

mod client;
mod database;
pub(crate) mod frame;
mod issuer;
mod nats;
mod process;
mod server;
mod socket;
mod stream;

pub(crate) use self::{
    client::{Client, Reply},
    database::{
        Cluster, another_program, database_url, lock, on_postgres, raise_error, run, trigger,
    },
    issuer::{Behaviour, Issuer, Key, set as jwk_set},
    nats::Nats,
    process::{Process, causerie, serve},
    server::{SECRET, TestServer, settings, token, token_for, wait_until, within},
    socket::{Frame, Socket, upgrade_request},
    stream::{Chunk, Event, Request, Streaming},
};
