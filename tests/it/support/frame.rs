//! Frames that no library would send (RFC 6455, section 5.2).

use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::{Socket, within};

/// First bytes of frames (RFC 6455, section 5.2). Only the last frame of a message has FIN.
pub(crate) const FIN: u8 = 0x80;
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
pub(crate) const CLOSE: u8 = 8;

/// Returns the bytes of a frame, under a mask of zeros.
pub(crate) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    const MASKED: u8 = 0x80;
    let payload = payload.as_ref();
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..126), _) => frame.push(MASKED | length),
        (_, Ok(length)) => {
            frame.push(MASKED | 126);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(MASKED | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Sends chunks until the server closes, and returns the close code. The server may stop reading early, so
/// sending and receiving run concurrently.
pub(crate) async fn closed_by(socket: Socket, chunks: impl IntoIterator<Item = Vec<u8>>) -> u16 {
    let (read, mut write) = socket.into_inner().into_inner().into_split();
    let send = async {
        for chunk in chunks {
            if write.write_all(&chunk).await.is_err() {
                break;
            }
        }
        std::future::pending::<u16>().await
    };
    let read = async {
        let stream = tokio::io::join(read, tokio::io::sink());
        let mut frames = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        loop {
            match frames.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("no close frame: {other:?}"),
            }
        }
    };
    let closed = async {
        tokio::select! {
            never = send => never,
            code = read => code,
        }
    };
    within("a close frame", closed).await
}
