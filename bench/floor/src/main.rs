//! The floor: a lower bound for any server that writes a message to each of its connections.
//!
//! It behaves like a WebSocket server only as far as the load generator checks: it answers the upgrade and
//! ignores what clients send. The first connection is the publisher's, and the body of each of its requests
//! is one message. The message is framed once, and the frame is written to each connection by one `write(2)`,
//! from one thread.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// The answer to the sample key of RFC 6455, which is the only one that the load generator sends.
const UPGRADED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

type Connections = Arc<Mutex<Vec<TcpStream>>>;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on http://{}", listener.local_addr()?);
    let connections = Connections::default();
    let (publisher, _) = listener.accept()?;
    publisher.set_nodelay(true)?;
    let published_to = connections.clone();
    thread::spawn(move || publish(publisher, &published_to));
    for stream in listener.incoming() {
        let stream = stream?;
        stream.set_nodelay(true)?;
        // A client that is already gone does not matter to the floor.
        let _ = welcome(stream, &connections);
    }
    Ok(())
}

/// Answers the upgrade request, which comes at once, and adds the client.
fn welcome(mut stream: TcpStream, connections: &Connections) -> io::Result<()> {
    read_head(&mut stream, &mut Vec::with_capacity(1024))?;
    let mut answer = UPGRADED.to_vec();
    answer.extend_from_slice(&text_frame(br#"{"type":"connection_ack"}"#));
    stream.write_all(&answer)?;
    lock(connections).push(stream);
    Ok(())
}

/// Serves the publisher, one message a request, until it disconnects.
fn publish(mut stream: TcpStream, connections: &Connections) -> io::Result<()> {
    let mut received = Vec::new();
    loop {
        let head = read_head(&mut stream, &mut received)?;
        let end = head + content_length(&received[..head]);
        while received.len() < end {
            read_more(&mut stream, &mut received)?;
        }
        let frame = text_frame(&received[head..end]);
        for mut connection in lock(connections).iter() {
            // The load generator notices a message that did not arrive.
            let _ = connection.write(&frame);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")?;
        received.drain(..end);
    }
}

/// Reads until the head is complete, and returns its length.
fn read_head(stream: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        if let Some(at) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            return Ok(at + 4);
        }
        read_more(stream, received)?;
    }
}

fn read_more(stream: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 4096];
    match stream.read(&mut buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        length => {
            received.extend_from_slice(&buffer[..length]);
            Ok(())
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    String::from_utf8_lossy(head)
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}

/// Returns an unmasked text frame of at most 64 KiB.
fn text_frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(payload.len()) {
        Ok(length @ 0..=125) => frame.push(length),
        _ => {
            let length = u16::try_from(payload.len()).expect("a message of at most 64 KiB");
            frame.push(126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

fn lock(connections: &Connections) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}
