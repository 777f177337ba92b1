//! Outcomes of operations.

use std::slice;

use async_graphql::{Response, ServerError, Value};

use super::{payload, response_budget::ResponseBudget};
use crate::{error::Error, feed::Payload, graphql::error};

/// Maximum size of a response in bytes. A page of the longest comments takes half of it.
const MAX_RESPONSE_BYTES: usize = 8 * 1024 * 1024;

/// The outcome of an operation.
#[derive(Debug)]
pub enum Outcome {
    /// The operation was refused as a whole, and nothing of it was done (GraphQL specification,
    /// section 7.1, request error).
    Refused(Vec<ServerError>),
    /// The operation was executed. The response has data, errors, or both.
    Executed(Executed),
}

/// The response of an executed operation.
#[derive(Debug)]
pub struct Executed {
    /// The response in JSON. Other clients may be sent the same bytes.
    pub payload: Payload,
    /// The code of the first error; `None` without errors.
    pub code: Option<Box<str>>,
}

impl Outcome {
    /// Returns the outcome of an execution that the library ended.
    ///
    /// # Errors
    ///
    /// Fails if the response is too large, or the memory for it cannot be reserved.
    pub(super) fn of(mut response: Response, budget: &ResponseBudget) -> Result<Self, Error> {
        response.errors.iter_mut().for_each(error::complete);
        let has_data = response.data != Value::Null;
        let is_refused = !has_data
            && !response.errors.is_empty()
            && response.errors.iter().all(|error| error.path.is_empty());
        if is_refused {
            return Ok(Self::Refused(response.errors));
        }
        Ok(Self::Executed(Executed {
            payload: payload::write(&response, MAX_RESPONSE_BYTES, &budget.account())?,
            code: error::code_of(&response.errors).map(Into::into),
        }))
    }

    /// The outcome of an operation whose payload exists already.
    pub(super) fn rendered(payload: Payload) -> Self {
        Self::Executed(Executed {
            payload,
            code: None,
        })
    }
}

/// The outcome of an operation that was begun and has no result.
pub(super) fn failed(error: ServerError) -> Outcome {
    let code = error::code_of(slice::from_ref(&error)).map(Into::into);
    let response = serde_json::json!({"data": null, "errors": [error]});
    Outcome::Executed(Executed {
        payload: response.to_string().into(),
        code,
    })
}
