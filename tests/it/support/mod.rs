//! What every test starts from: a real server on a real socket and a real SQLite file, and clients
//! that know nothing of its code.

mod client;
mod issuer;
mod process;
mod server;
mod socket;
mod stream;

pub(crate) use self::{
    client::{Client, Reply},
    issuer::{Behaviour, Issuer, Key, set as jwk_set},
    process::{Process, causerie, serve},
    server::{SECRET, TestServer, in_time, settings, token, token_for, until},
    socket::{Frame, Socket, upgrade_request},
    stream::{Chunk, Event, Request, Streaming},
};
