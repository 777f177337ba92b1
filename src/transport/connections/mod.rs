//! Connections: admitting, tuning and serving them.

mod limiter;
mod listener;
mod tcp;
mod trusted_proxies;

pub use self::{
    listener::{Entrance, serve},
    tcp::{KERNEL_MARGIN, tuned},
};
