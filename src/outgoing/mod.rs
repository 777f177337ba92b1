//! HTTP requests to other servers: the host site's keys, and its checks of comments.
//!
//! A request is bounded in time and its response in bytes. Redirects are not followed, so only the
//! configured URL is trusted. The HTTP client is assembled from hyper, because reqwest with TLS takes
//! its cryptography from a default of the whole process.

mod endpoint;
mod error;
mod reach;
mod resolver;
mod signer;

pub use self::{
    endpoint::{Bounds, Endpoint},
    error::{PrivateAddress, RequestError},
    reach::Reach,
    signer::Signer,
};
