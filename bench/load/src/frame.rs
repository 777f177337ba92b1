//! WebSocket frames (RFC 6455, section 5), as far as a client without extensions meets them.

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    Text,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn bits(self) -> u8 {
        match self {
            Self::Text => 0x1,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }
}

/// A frame of a server.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub opcode: Opcode,
    pub payload: &'a [u8],
}

/// The error of an invalid frame.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a frame that is not whole: no server here has cause to split its messages")]
    Fragment,
    #[error("a frame with reserved bits, though no extension was agreed on")]
    Reserved,
    #[error("a masked frame: only a client may mask")]
    Masked,
    #[error("a frame with the opcode {0:#x}")]
    Opcode(u8),
}

/// Parses the first frame of `bytes` and returns it with its length. Returns `None` if it is incomplete.
pub fn parse(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let [first, second, ..] = *bytes else {
        return Ok(None);
    };
    if first & 0x80 == 0 {
        return Err(FrameError::Fragment);
    }
    if first & 0x70 != 0 {
        return Err(FrameError::Reserved);
    }
    if second & 0x80 != 0 {
        return Err(FrameError::Masked);
    }
    let opcode = match first & 0x0f {
        0x0 => return Err(FrameError::Fragment),
        0x1 => Opcode::Text,
        0x8 => Opcode::Close,
        0x9 => Opcode::Ping,
        0xa => Opcode::Pong,
        other => return Err(FrameError::Opcode(other)),
    };
    let Some((start, length)) = length(second, &bytes[2..]) else {
        return Ok(None);
    };
    let end = start + length;
    Ok(bytes
        .get(start..end)
        .map(|payload| (Frame { opcode, payload }, end)))
}

/// Returns the offset and length of the payload.
fn length(second: u8, rest: &[u8]) -> Option<(usize, usize)> {
    match second {
        126 => {
            let bytes = rest.first_chunk()?;
            Some((4, usize::from(u16::from_be_bytes(*bytes))))
        }
        127 => {
            let bytes = rest.first_chunk()?;
            // A frame that does not fit into memory never arrives completely either.
            let length = usize::try_from(u64::from_be_bytes(*bytes)).unwrap_or(usize::MAX - 10);
            Some((10, length))
        }
        short => Some((2, usize::from(short))),
    }
}

/// The mask. Any key will do on a wire without proxies.
const MASK: [u8; 4] = [0x5a, 0xc3, 0x3c, 0xa5];

/// Appends a frame of a client. The payload is at most 64 KiB.
pub fn push(frames: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    frames.push(0x80 | opcode.bits());
    match u8::try_from(payload.len()) {
        Ok(length @ 0..=125) => frames.push(0x80 | length),
        _ => {
            let length = u16::try_from(payload.len()).expect("a message of at most 64 KiB");
            frames.push(0x80 | 126);
            frames.extend_from_slice(&length.to_be_bytes());
        }
    }
    frames.extend_from_slice(&MASK);
    frames.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x81];
        match payload.len() {
            0..=125 => bytes.push(payload.len() as u8),
            126..=0xffff => {
                bytes.push(126);
                bytes.extend_from_slice(&(payload.len() as u16).to_be_bytes());
            }
            _ => {
                bytes.push(127);
                bytes.extend_from_slice(&(payload.len() as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn frames_of_every_length_encoding_are_read() {
        for length in [0, 1, 125, 126, 127, 300, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            let bytes = text(&payload);
            let (frame, end) = parse(&bytes).unwrap().unwrap();
            assert_eq!(frame.opcode, Opcode::Text);
            assert_eq!(frame.payload, payload);
            assert_eq!(end, bytes.len());
        }
    }

    #[test]
    fn consecutive_frames_are_read_however_the_stream_is_split() {
        let payloads = [vec![b'a'; 3], vec![b'b'; 200], vec![], vec![b'c'; 70_000]];
        let stream: Vec<u8> = payloads.iter().flat_map(|payload| text(payload)).collect();
        for cut in (0..300).chain([stream.len() - 1]) {
            let mut taken = Vec::new();
            let mut pending = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                pending.extend_from_slice(part);
                while let Some((frame, end)) = parse(&pending).unwrap() {
                    taken.push(frame.payload.to_vec());
                    pending.drain(..end);
                }
            }
            assert_eq!(taken, payloads);
            assert!(pending.is_empty());
        }
    }

    #[test]
    fn invalid_server_frames_are_errors() {
        assert_eq!(parse(&[0x01, 0x00]), Err(FrameError::Fragment));
        assert_eq!(parse(&[0x80, 0x00]), Err(FrameError::Fragment));
        assert_eq!(parse(&[0xc1, 0x00]), Err(FrameError::Reserved));
        assert_eq!(parse(&[0x81, 0x80]), Err(FrameError::Masked));
        assert_eq!(parse(&[0x83, 0x00]), Err(FrameError::Opcode(3)));
    }

    #[test]
    fn client_frames_are_masked() {
        for length in [0, 125, 126, 1000] {
            let payload = vec![b'x'; length];
            let mut bytes = Vec::new();
            push(&mut bytes, Opcode::Text, &payload);
            assert_eq!(parse(&bytes), Err(FrameError::Masked));
            let start = bytes.len() - length;
            let unmasked: Vec<u8> = bytes[start..]
                .iter()
                .enumerate()
                .map(|(at, byte)| byte ^ bytes[start - 4 + at % 4])
                .collect();
            assert_eq!(unmasked, payload);
        }
    }
}
