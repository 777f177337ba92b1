//! The error of rendering an event.

use crate::error::Error;

/// The reason why an event could not be rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenderError {
    /// The payload would be larger than its limit.
    TooLarge,
    /// The process has too little memory left for it.
    Overloaded,
    /// The execution panicked, or its response could not be serialized.
    Failed,
}

impl From<RenderError> for Error {
    fn from(error: RenderError) -> Self {
        match error {
            RenderError::TooLarge => Self::TooLarge("An event of a subscription is too large."),
            RenderError::Overloaded => Self::Overloaded,
            RenderError::Failed => Self::Internal("an event could not be rendered".into()),
        }
    }
}
