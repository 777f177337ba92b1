//! Sources of documents.

use std::{
    convert::Infallible,
    fmt,
    fs::File,
    io::{self, Cursor, Read},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use hyper::{HeaderMap, Method, body::Bytes};
use url::Url;

use super::MAX_DOCUMENT_BYTES;
use crate::outgoing::{Bounds, Endpoint, Reach, RequestError};

/// The bounds of a request for a document.
const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(60),
    bytes: MAX_DOCUMENT_BYTES,
    idle_connections: 0,
};

/// The source of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An http or https URL.
    Url(Url),
    /// A file.
    File(PathBuf),
    /// The standard input.
    Stdin,
}

/// The content of a source.
pub struct Content {
    /// The bytes.
    pub bytes: Box<dyn Read + Send>,
    /// The number of bytes, if it is known.
    pub size: Option<u64>,
}

/// The failure to read a source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file that cannot be opened, or root certificates that cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A URL without a usable response.
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl Source {
    /// Opens a file, or requests a URL. Redirects are not followed.
    ///
    /// Private addresses are requested too, because the operator names the URL, and no reader can.
    pub async fn open(&self) -> Result<Content, SourceError> {
        Ok(match self {
            Self::Url(url) => {
                let endpoint = Endpoint::new(url.clone(), Reach::All, BOUNDS)?;
                let response = endpoint.send(Method::GET, HeaderMap::new(), Bytes::new());
                let body = response.await?.into_body();
                Content {
                    size: Some(body.len() as u64),
                    bytes: Box::new(Cursor::new(body)),
                }
            }
            Self::File(path) => {
                let file = File::open(path)?;
                Content {
                    size: Some(file.metadata()?.len()),
                    bytes: Box::new(file),
                }
            }
            Self::Stdin => Content {
                size: None,
                bytes: Box::new(io::stdin()),
            },
        })
    }

    /// Returns the URL, which relative links begin at.
    pub fn url(&self) -> Option<&Url> {
        match self {
            Self::Url(url) => Some(url),
            Self::File(_) | Self::Stdin => None,
        }
    }
}

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let url = Url::parse(text).ok();
        Ok(
            match url.filter(|url| matches!(url.scheme(), "http" | "https")) {
                Some(url) => Self::Url(url),
                None if text == "-" => Self::Stdin,
                None => Self::File(text.into()),
            },
        )
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => url.fmt(f),
            Self::File(path) => path.display().fmt(f),
            Self::Stdin => f.write_str("standard input"),
        }
    }
}
