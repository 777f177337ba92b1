//! What every test starts from: a real server on a real socket and a real database, and clients
//! that know nothing of its code.

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
    database::{Cluster, abortion, another_program, database_url, lock, on_postgres, run, trigger},
    issuer::{Behaviour, Issuer, Key, set as jwk_set},
    nats::Nats,
    process::{Process, causerie, serve},
    server::{SECRET, TestServer, in_time, settings, token, token_for, until},
    socket::{Frame, Socket, upgrade_request},
    stream::{Chunk, Event, Request, Streaming},
};
