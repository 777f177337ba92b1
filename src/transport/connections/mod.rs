//! TCP connections: admission, socket options, serving and shutdown.

mod admission;
mod limiter;
mod lingering;
mod listener;
mod request_body;
mod tcp;
mod trusted_proxies;

pub(super) use self::admission::StreamPermit;
pub(crate) use self::{
    admission::Admission,
    lingering::LingeringStream,
    listener::serve,
    tcp::{KERNEL_MARGIN, tuned},
};
