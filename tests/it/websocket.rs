//! RFC 6455, one rule a test, in the groups of the Autobahn test suite (docs/websocket-conformance.md). The
//! protocol's own ping serves as the echo, because its payload comes back.

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    Frame, Socket, TestServer,
    frame::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, closed_by, frame},
    within,
};

/// Returns a message whose payload is echoed.
fn echo(text: &str) -> String {
    json!({"type": "ping", "payload": {"text": text}}).to_string()
}

/// Asserts that the next message echoes exactly `text`.
async fn assert_echo(socket: &mut Socket, text: &str) {
    let answer = socket.message().await;
    assert_eq!(answer, json!({"type": "pong", "payload": {"text": text}}));
}

/// Asserts that each of these byte strings closes its own socket with this code.
async fn close_with(code: u16, all: impl IntoIterator<Item = Vec<u8>>) {
    let server = TestServer::start().await;
    for bytes in all {
        let socket = server.socket().await;
        let shown = &bytes[..bytes.len().min(20)];
        assert_eq!(closed_by(socket, [bytes.clone()]).await, code, "{shown:x?}");
    }
    server.stop().await;
}

// Framing

#[tokio::test]
async fn every_length_encoding_is_read_in_pieces_of_any_size() {
    let server = TestServer::start().await;
    let around = echo("").len();
    for length in [125, 126, 127, 128, 65_535, 65_536, 200_000] {
        // A ping's payload has a limit of its own. Spaces between JSON's tokens mean nothing.
        let text = "x".repeat((length - around).min(4000));
        let spaces = " ".repeat(length - around - text.len());
        let message = echo(&text).replacen('{', &format!("{{{spaces}"), 1);
        assert_eq!(message.len(), length);
        let bytes = frame(FIN | TEXT, message);
        for pieces in [bytes.len(), 997, 60_000] {
            let mut socket = server.socket().await;
            for piece in bytes.chunks(pieces) {
                socket.send_bytes(piece).await;
            }
            assert_echo(&mut socket, &text).await;
            socket.close().await;
        }
    }
    let mut socket = server.socket().await;
    for byte in frame(FIN | TEXT, echo("byte by byte")) {
        socket.send_bytes(&[byte]).await;
    }
    assert_echo(&mut socket, "byte by byte").await;
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn unmasked_frames_close_1002() {
    let text = b"\x81\x02{}".to_vec();
    let ping = b"\x89\x00".to_vec();
    let close = b"\x88\x02\x03\xe8".to_vec();
    close_with(1002, [text, ping, close]).await;
}

// Pings and pongs

#[tokio::test]
async fn pings_are_answered_in_order_with_their_payloads() {
    let server = TestServer::start().await;
    let socket = server.socket().await;
    let payloads: Vec<Vec<u8>> = [&b""[..], b"Hello", b"\x00\xff\xfe\xfd", &[0xfe; 125]]
        .into_iter()
        .map(<[u8]>::to_vec)
        .chain((0..10).map(|number| format!("payload-{number}").into_bytes()))
        .collect();
    let all: Vec<u8> = payloads
        .iter()
        .flat_map(|payload| frame(FIN | PING, payload))
        .collect();
    for pieces in [all.len(), 1] {
        let mut socket = server.socket().await;
        for piece in all.chunks(pieces) {
            socket.send_bytes(piece).await;
        }
        let mut frames = socket.into_inner();
        for payload in &payloads {
            let pong = within("a pong", frames.next()).await;
            assert!(matches!(pong, Some(Ok(Message::Pong(bytes))) if bytes == payload[..]));
        }
    }
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn unsolicited_pong_is_ignored() {
    let server = TestServer::start().await;
    let mut socket = server.socket().await;
    for payload in ["", "unsolicited"] {
        socket.send_bytes(&frame(FIN | PONG, payload)).await;
    }
    assert!(socket.settle().await.is_empty());
    socket.close().await;
    server.stop().await;
}

// Reserved bits, opcodes and control frames

#[tokio::test]
async fn reserved_bits_close_1002() {
    let bits = (1..8).map(|bits| bits << 4);
    let frames = bits.flat_map(|bits| {
        [TEXT, BINARY, PING, PONG, CLOSE].map(|opcode| frame(FIN | bits | opcode, ""))
    });
    close_with(1002, frames).await;
}

#[tokio::test]
async fn reserved_opcodes_close_1002() {
    let opcodes = (3..8).chain(11..16);
    let frames = opcodes.flat_map(|opcode| ["", "x"].map(|payload| frame(FIN | opcode, payload)));
    close_with(1002, frames).await;
}

#[tokio::test]
async fn long_or_fragmented_control_frames_close_1002() {
    let frames = [PING, PONG, CLOSE].into_iter().flat_map(|opcode| {
        let long = frame(FIN | opcode, [b'x'; 126]);
        let fragments = [frame(opcode, "a"), frame(FIN | CONTINUATION, "b")].concat();
        [long, fragments]
    });
    close_with(1002, frames).await;
}

// Fragmentation

#[tokio::test]
async fn fragments_form_one_message_with_pings_between_them() {
    let server = TestServer::start().await;
    let mut socket = server.socket().await;
    let text = "κόσμε \u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}";
    let message = echo(text);
    // Split at every byte, within characters too, with empty fragments in between.
    let mut frames = frame(TEXT, "");
    for byte in message.as_bytes() {
        frames.extend(frame(CONTINUATION, [*byte]));
        frames.extend(frame(FIN | PING, ""));
    }
    frames.extend(frame(FIN | CONTINUATION, ""));
    socket.send_bytes(&frames).await;
    assert_echo(&mut socket, text).await;
    socket.close().await;
    server.stop().await;
}

#[tokio::test]
async fn stray_or_interleaved_fragments_close_1002() {
    let begun = || frame(TEXT, "{");
    let frames = [
        frame(FIN | CONTINUATION, "of nothing"),
        frame(CONTINUATION, "of nothing"),
        [begun(), frame(FIN | TEXT, "}")].concat(),
        [begun(), frame(TEXT, "}")].concat(),
        [begun(), frame(FIN | BINARY, "}")].concat(),
        [
            frame(FIN | TEXT, r#"{"type":"pong"}"#),
            frame(FIN | CONTINUATION, ""),
        ]
        .concat(),
    ];
    close_with(1002, frames).await;
}

// UTF-8

/// Invalid UTF-8, one of each kind that Unicode names (section 3.9, table 3-7).
const NOT_UTF8: [&[u8]; 9] = [
    b"\xff",
    b"\x80",
    // Truncated.
    b"\xce",
    b"\xf0\x90\x80",
    // Overlong.
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    // A surrogate, a code point beyond the last, and an invalid first byte.
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
];

#[tokio::test]
async fn invalid_utf8_closes_1007_whole_or_fragmented() {
    let frames = NOT_UTF8.into_iter().flat_map(|bytes| {
        let whole = frame(FIN | TEXT, [b"{\"", bytes, b"\"}"].concat());
        let pieces = [
            frame(TEXT, [b"{\"", &bytes[..1]].concat()),
            frame(FIN | CONTINUATION, [&bytes[1..], b"\"}"].concat()),
        ];
        [whole, pieces.concat()]
    });
    close_with(1007, frames).await;
}

#[tokio::test]
async fn invalid_utf8_closes_1007_before_its_message_ends() {
    close_with(1007, [frame(TEXT, b"{\"\xff")]).await;
}

// Closing

#[tokio::test]
async fn close_frame_is_echoed_and_nothing_follows() {
    let server = TestServer::start().await;
    let codes = (1000..=1003)
        .chain(1007..=1011)
        .chain([3000, 3999, 4000, 4999]);
    for code in codes {
        for reason in ["", "Καλημέρα", &"x".repeat(123)] {
            let mut socket = server.socket().await;
            let payload = [&u16::to_be_bytes(code)[..], reason.as_bytes()].concat();
            let behind = frame(FIN | TEXT, echo("too late"));
            let again = frame(FIN | CLOSE, &payload);
            socket
                .send_bytes(&[again.clone(), behind, again].concat())
                .await;
            match socket.next().await {
                Frame::Close(got, why) => assert_eq!((got, why.as_str()), (code, reason)),
                other => panic!("{code}: {other:?}"),
            }
            assert!(matches!(socket.next().await, Frame::End), "{code}");
        }
    }
    // A close frame without a code is answered without one.
    let mut socket = server.socket().await;
    socket.send_bytes(&frame(FIN | CLOSE, "")).await;
    let answer = within("a close frame", socket.into_inner().next()).await;
    assert!(
        matches!(answer, Some(Ok(Message::Close(None)))),
        "{answer:?}"
    );
    server.stop().await;
}

#[tokio::test]
async fn close_frame_with_a_forbidden_code_closes_1002() {
    let codes: [u16; 11] = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000];
    let frames = codes.map(|code| frame(FIN | CLOSE, code.to_be_bytes()));
    let half = frame(FIN | CLOSE, [3]);
    close_with(1002, frames.into_iter().chain([half])).await;
}

#[tokio::test]
async fn close_reason_with_invalid_utf8_closes_1007() {
    let frames = NOT_UTF8.map(|reason| frame(FIN | CLOSE, [&[3, 232], reason].concat()));
    close_with(1007, frames).await;
}

// Extensions

/// Compression costs memory for each connection, and would compress a shared payload for each.
#[tokio::test]
async fn offered_compression_is_declined() {
    let server = TestServer::start().await;
    let client = reqwest::Client::new();
    let offer = client
        .get(server.url("/graphql"))
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", "graphql-transport-ws")
        .header("sec-websocket-extensions", "permessage-deflate");
    let answer = offer.send().await.expect("an answer");
    assert_eq!(answer.status(), 101);
    let headers: Value = answer
        .headers()
        .keys()
        .map(|name| Value::from(name.as_str()))
        .collect();
    assert!(!headers.to_string().contains("extensions"), "{headers}");
    drop(answer);
    server.stop().await;
}
