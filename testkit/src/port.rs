//! Ports that stay free while a program is down, so that it can start again on the same one.

use std::{
    net::TcpListener,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
    sync::Mutex,
};

/// The first port, and their number. The system's range of ephemeral ports begins above them, so no connection
/// takes one.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// The locks of the ports that this process has.
static LOCKS: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());

/// Returns a free port of loopback. No other process that uses this function is given it, until this process
/// ends.
pub fn free_port() -> u16 {
    let start = fastrand::u16(..COUNT);
    let ports = (0..COUNT).map(|offset| FIRST + (start + offset) % COUNT);
    for port in ports {
        // An abstract name belongs to one socket, and the kernel frees it with the process.
        let name = SocketAddr::from_abstract_name(format!("causerie-testkit-{port}"));
        let Ok(lock) = UnixListener::bind_addr(&name.expect("a short name")) else {
            continue;
        };
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            LOCKS.lock().expect("no panic").push(lock);
            return port;
        }
    }
    panic!("no port is free from {FIRST} on");
}
