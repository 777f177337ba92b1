//! The codes of errors.

/// The code of an error, in `extensions.code`. docs/limits.md says what each means to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The request needs a valid token.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// No such thing exists.
    NotFound,
    /// A value of the request is invalid. `extensions.field` names it.
    BadUserInput,
    /// A cursor is no place of its feed any more. Query again, and start after the new cursor.
    CursorExpired,
    /// The change contradicts the current state.
    Conflict,
    /// A rate limit is exceeded. `extensions.retryAfterMs` is the time until the next attempt.
    RateLimited,
    /// The request exceeds a limit of size or complexity.
    QueryTooExpensive,
    /// A part of the server is temporarily unavailable, and nothing was done.
    ServiceUnavailable,
    /// The connection to the database was lost during a commit.
    OutcomeUnknown,
    /// The server has a fault. Its log has the cause under `extensions.id`.
    InternalServerError,
    /// The document is not GraphQL.
    ParseFailed,
    /// The document, the operation's name or the variables do not fit the schema.
    ValidationFailed,
    /// The request is a list of operations. Each must be sent by itself.
    BatchNotSupported,
    /// No document is known by the hash that was sent.
    PersistedQueryNotFound,
    /// The operation took too long to wait for.
    OperationTimeout,
    /// The server shuts down, and the operation ends with it. Another server takes over.
    ServiceRestart,
}

impl ErrorCode {
    /// All codes.
    pub const ALL: [Self; 17] = [
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::BadUserInput,
        Self::CursorExpired,
        Self::Conflict,
        Self::RateLimited,
        Self::QueryTooExpensive,
        Self::ServiceUnavailable,
        Self::OutcomeUnknown,
        Self::InternalServerError,
        Self::ParseFailed,
        Self::ValidationFailed,
        Self::BatchNotSupported,
        Self::PersistedQueryNotFound,
        Self::OperationTimeout,
        Self::ServiceRestart,
    ];

    /// Returns the code as clients see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::CursorExpired => "CURSOR_EXPIRED",
            Self::Conflict => "CONFLICT",
            Self::RateLimited => "RATE_LIMITED",
            Self::QueryTooExpensive => "QUERY_TOO_EXPENSIVE",
            Self::ServiceUnavailable => "SERVICE_UNAVAILABLE",
            Self::OutcomeUnknown => "OUTCOME_UNKNOWN",
            Self::InternalServerError => "INTERNAL_SERVER_ERROR",
            Self::ParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::ValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::BatchNotSupported => "BATCH_NOT_SUPPORTED",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::OperationTimeout => "OPERATION_TIMEOUT",
            Self::ServiceRestart => "SERVICE_RESTART",
        }
    }
}
