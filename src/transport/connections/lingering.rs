//! Closing in two steps, so that a client reads the response to a request that it still sends.
//!
//! A socket that is closed with unread bytes is reset, and the reset overtakes the response (RFC
//! 9112, section 9.6). So the write half is closed first, and what comes is dropped for a while.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

/// Time for which a closed connection is read.
const LINGER_TIME: Duration = Duration::from_secs(1);
/// Maximum number of bytes that are read from a closed connection.
const LINGER_BYTES: usize = 8 * 1024 * 1024;

/// A TCP connection that closes in two steps.
#[derive(Debug)]
pub(crate) struct LingeringStream {
    tcp: TcpStream,
    /// The second step, once the write half is closed.
    linger: Option<Linger>,
}

#[derive(Debug)]
struct Linger {
    until: Pin<Box<Sleep>>,
    bytes: usize,
}

impl LingeringStream {
    pub(super) fn new(tcp: TcpStream) -> Self {
        Self { tcp, linger: None }
    }

    /// Returns the connection itself.
    pub(crate) fn into_inner(self) -> TcpStream {
        self.tcp
    }
}

impl AsyncRead for LingeringStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl AsyncWrite for LingeringStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    /// Closes the write half. Then reads until the client closes its half too, for at most
    /// [`LINGER_TIME`] and [`LINGER_BYTES`].
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { tcp, linger } = self.get_mut();
        let linger = match linger {
            Some(linger) => linger,
            None => {
                ready!(Pin::new(&mut *tcp).poll_shutdown(context))?;
                linger.insert(Linger {
                    until: Box::pin(sleep(LINGER_TIME)),
                    bytes: 0,
                })
            }
        };
        let mut unread = [0; 8 * 1024];
        while linger.bytes < LINGER_BYTES && linger.until.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut unread);
            match ready!(Pin::new(&mut *tcp).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => linger.bytes += buffer.filled().len(),
                // The client has closed its half, or the connection.
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
