//! Resolution of names to addresses within reach.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

use super::Reach;

/// The system's resolver, which refuses a name if any of its addresses is out of reach.
///
/// The connection is made to the addresses that it returns, so a name cannot change its address in
/// between.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    system: GaiResolver,
    reach: Reach,
}

impl Resolver {
    pub(super) fn new(reach: Reach) -> Self {
        Self {
            system: GaiResolver::new(),
            reach,
        }
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (resolved, reach) = (self.system.call(name), self.reach);
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = resolved.await?.collect();
            for address in &addresses {
                reach.admit(address.ip()).map_err(io::Error::other)?;
            }
            Ok(addresses.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn name_of_a_private_address_is_refused() {
        let resolve = async |reach| {
            Resolver::new(reach)
                .call("localhost".parse().unwrap())
                .await
        };
        assert!(resolve(Reach::All).await.unwrap().len() > 0);
        let error = resolve(Reach::Public).await.unwrap_err();
        assert!(error.to_string().contains("private"), "{error}");
    }
}
