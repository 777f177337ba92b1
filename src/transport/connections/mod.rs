//! TCP connections: admission, socket options, serving and shutdown.

mod admission;
mod limiter;
mod listener;
mod tcp;
mod trusted_proxies;

pub(super) use self::admission::StreamPermit;
pub(crate) use self::{
    admission::Admission,
    listener::serve,
    tcp::{KERNEL_MARGIN, tuned},
};
