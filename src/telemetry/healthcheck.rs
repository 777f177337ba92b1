//! The client of `/healthz`, for container health checks: an image with only the server has no other
//! program to make the request.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// Timeout of each step: connecting, writing, reading.
const STEP_TIMEOUT: Duration = Duration::from_secs(3);

/// Requests `/healthz` from the server that listens on `listen` of this machine. Blocks for at most
/// three seconds a step; any response but 200 is an error.
pub fn check(listen: SocketAddr) -> io::Result<()> {
    let mut connection = TcpStream::connect_timeout(&connectable(listen), STEP_TIMEOUT)?;
    connection.set_read_timeout(Some(STEP_TIMEOUT))?;
    connection.set_write_timeout(Some(STEP_TIMEOUT))?;
    connection
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut status = String::new();
    BufReader::new(connection).read_line(&mut status)?;
    if status.starts_with("HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "unexpected response {:?}",
            status.trim_end()
        )))
    }
}

/// Replaces an unspecified address, which a server can listen on, by the loopback address.
fn connectable(listen: SocketAddr) -> SocketAddr {
    let address = match listen.ip() {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    SocketAddr::new(address, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unspecified_address_is_reached_on_loopback() {
        for (listen, reached) in [
            ("0.0.0.0:8000", "127.0.0.1:8000"),
            ("[::]:1", "[::1]:1"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(
                connectable(listen.parse().unwrap()),
                reached.parse().unwrap()
            );
        }
    }
}
