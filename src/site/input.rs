//! The bytes of a document: decompressed, and bounded.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

/// Maximum size of a document in bytes, before and after its decompression: that of a sitemap.
pub const MAX_DOCUMENT_BYTES: usize = 50 * 1024 * 1024;

/// The first bytes of what gzip has compressed.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Returns a reader of the document that `bytes` are. It fails beyond [`MAX_DOCUMENT_BYTES`].
pub(super) fn document<'a>(
    bytes: impl Read + Send + 'a,
) -> io::Result<Box<dyn BufRead + Send + 'a>> {
    let mut bytes = Bounded::new(bytes);
    let mut start = Vec::new();
    bytes
        .by_ref()
        .take(GZIP.len() as u64)
        .read_to_end(&mut start)?;
    let is_gzip = start == GZIP;
    let bytes = BufReader::new(Cursor::new(start).chain(bytes));
    Ok(match is_gzip {
        true => Box::new(BufReader::new(Bounded::new(MultiGzDecoder::new(bytes)))),
        false => Box::new(bytes),
    })
}

/// A reader that fails beyond a number of bytes.
struct Bounded<R> {
    inner: R,
    left: usize,
}

impl<R: Read> Bounded<R> {
    fn new(inner: R) -> Self {
        Self {
            inner,
            left: MAX_DOCUMENT_BYTES,
        }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read).ok_or_else(|| {
            let message = format!("larger than {MAX_DOCUMENT_BYTES} bytes");
            io::Error::new(io::ErrorKind::FileTooLarge, message)
        })?;
        Ok(read)
    }
}
