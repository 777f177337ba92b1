//! Socket options of accepted connections.

use std::{io, time::Duration};

#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::net::TcpStream;

/// Bytes that may wait unsent in the kernel before a socket counts as full.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 16 * 1024;

/// Time that the kernel waits for a client longer than the server does, so that the server can
/// still send the reason for closing.
pub(crate) const KERNEL_MARGIN: Duration = Duration::from_secs(3);

/// Maximum of `TCP_USER_TIMEOUT`, 24 days.
#[cfg(target_os = "linux")]
const MAX_USER_TIMEOUT: Duration = Duration::from_millis(i32::MAX.unsigned_abs() as u64);

/// Returns a function that sets the options of an accepted connection. A client that reads nothing
/// for `timeout` is disconnected by the kernel.
pub(crate) fn tuned(timeout: Duration) -> impl FnMut(&mut TcpStream) + Send + 'static {
    move |connection| {
        if let Err(error) = tune(connection, timeout) {
            tracing::debug!(%error, "cannot set a connection's socket options");
        }
    }
}

#[cfg_attr(
    not(target_os = "linux"),
    expect(unused_variables, reason = "only Linux has TCP_USER_TIMEOUT")
)]
fn tune(connection: &TcpStream, timeout: Duration) -> io::Result<()> {
    // Nagle's algorithm would delay a small frame until the one before it is acknowledged.
    connection.set_nodelay(true)?;
    // By default the kernel buffers megabytes before a socket is full, and drains as much before it
    // is writable again. A slow client would look like one that reads nothing.
    #[cfg(target_os = "linux")]
    SockRef::from(connection).set_tcp_notsent_lowat(UNSENT_BYTES)?;
    // By default the kernel waits a quarter of an hour for a peer that has vanished, and forever
    // for one that reads nothing.
    #[cfg(target_os = "linux")]
    SockRef::from(connection).set_tcp_user_timeout(Some(timeout.min(MAX_USER_TIMEOUT)))?;
    Ok(())
}
