//! Containment of panics: a fault in one operation ends that operation alone.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use futures_util::FutureExt;

use crate::error::Error;

/// Runs `work`. Returns an internal error if it panics.
pub(super) fn contain<T>(work: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| internal(&*panic))
}

/// Awaits `work`. Returns an internal error if it panics.
pub(super) async fn contain_async<T>(work: impl Future<Output = T>) -> Result<T, Error> {
    let contained = AssertUnwindSafe(work).catch_unwind().await;
    contained.map_err(|panic| internal(&*panic))
}

fn internal(panic: &(dyn Any + Send)) -> Error {
    let message = panic.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| panic.downcast_ref::<&str>().copied());
    Error::Internal(format!("panic: {}", message.unwrap_or("no message")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_becomes_an_internal_error() {
        let contained = contain(|| panic!("in a parser"));
        assert!(matches!(contained, Err(Error::Internal(_))));
        assert_eq!(contain(|| 7).ok(), Some(7));
    }

    #[tokio::test]
    async fn panic_in_a_future_becomes_an_internal_error() {
        let contained = contain_async(async { panic!("in a resolver") }).await;
        assert!(matches!(contained, Err(Error::Internal(_))));
        assert_eq!(contain_async(async { 7 }).await.ok(), Some(7));
    }
}
