//! Media types of requests and content negotiation of responses (RFC 9110, sections 8.3 and
//! 12.5.1).

use axum::http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, CONTENT_TYPE},
};
use mediatype::{MediaType, MediaTypeList, Name, ReadParams, names};

const GRAPHQL_RESPONSE: Name<'static> = Name::new_unchecked("graphql-response");
const EVENT_STREAM: Name<'static> = Name::new_unchecked("event-stream");
const SUBSCRIPTION_SPEC: Name<'static> = Name::new_unchecked("subscriptionSpec");
const DEFER_SPEC: Name<'static> = Name::new_unchecked("deferSpec");

/// The kind and media type of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseType {
    /// A single JSON document.
    Json(JsonType),
    /// A stream of one or more results.
    Stream(StreamType),
}

/// The media type of a JSON document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonType {
    /// `application/json`: 200 for every well-formed request.
    Json,
    /// `application/graphql-response+json`: the status tells whether the request was executed.
    GraphQlResponse,
}

/// The media type of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamType {
    /// `text/event-stream`, the protocol of graphql-sse.
    EventStream,
    /// `multipart/mixed` with `subscriptionSpec=1.0`, the protocol of Apollo.
    Multipart,
}

impl JsonType {
    /// Returns the value of `Content-Type`.
    pub(crate) fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::GraphQlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        })
    }
}

/// The response types that a client accepts.
#[derive(Debug)]
pub(crate) struct Accept {
    /// The accepted types, each with the client's preference.
    accepted: Vec<(ResponseType, Preference)>,
}

/// A client's preference for a type: its quality value, then its position in `Accept`.
#[derive(Clone, Copy, Debug)]
struct Preference {
    quality: f32,
    position: usize,
}

impl Accept {
    /// Parses the `Accept` headers of a request. Without any, the client accepts JSON.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(ACCEPT).iter();
        let list: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
        let list = list.join(",");
        let list = if list.trim().is_empty() { "*/*" } else { &list };
        let ranges: Vec<MediaType<'_>> = MediaTypeList::new(list).filter_map(Result::ok).collect();
        let types = [
            ResponseType::Json(JsonType::Json),
            ResponseType::Json(JsonType::GraphQlResponse),
            ResponseType::Stream(StreamType::EventStream),
            ResponseType::Stream(StreamType::Multipart),
        ];
        let accepted = types
            .into_iter()
            .filter_map(|response_type| Some((response_type, preference(&ranges, response_type)?)))
            .collect();
        Self { accepted }
    }

    /// Returns the type that the client prefers, or `None` if it accepts none.
    pub(crate) fn preferred(&self) -> Option<ResponseType> {
        self.preferred_of(Some)
    }

    /// Returns the JSON type that the client prefers. If it accepts none, it is `application/json`,
    /// so that errors can be sent in any case.
    pub(crate) fn preferred_json(&self) -> JsonType {
        let preferred = self.preferred_of(|response_type| match response_type {
            ResponseType::Json(json) => Some(json),
            ResponseType::Stream(_) => None,
        });
        preferred.unwrap_or(JsonType::Json)
    }

    /// Returns the stream type that the client prefers, or `None` if it accepts none.
    pub(crate) fn preferred_stream(&self) -> Option<StreamType> {
        self.preferred_of(|response_type| match response_type {
            ResponseType::Stream(stream_type) => Some(stream_type),
            ResponseType::Json(_) => None,
        })
    }

    /// Returns the preferred type among those that `select` maps to a value.
    fn preferred_of<T>(&self, select: impl Fn(ResponseType) -> Option<T>) -> Option<T> {
        let selected = self
            .accepted
            .iter()
            .filter_map(|(response_type, preference)| Some((select(*response_type)?, preference)));
        // Reversed, because `max_by` returns the last of equal elements.
        let preferred = selected.rev().max_by(|(_, one), (_, other)| {
            let by_quality = one.quality.total_cmp(&other.quality);
            by_quality.then_with(|| other.position.cmp(&one.position))
        });
        preferred.map(|(selected, _)| selected)
    }
}

/// Returns the client's preference for a type: that of the most specific range that matches it.
/// `None` if the type is not accepted.
fn preference(ranges: &[MediaType<'_>], response_type: ResponseType) -> Option<Preference> {
    let matching = ranges.iter().enumerate().filter_map(|(position, range)| {
        Some((specificity(range, response_type)?, position, quality(range)))
    });
    // Reversed, because `max_by_key` returns the last of equal elements.
    let (_, position, quality) = matching
        .rev()
        .max_by_key(|(specificity, ..)| *specificity)?;
    (quality > 0.0).then_some(Preference { quality, position })
}

/// Returns how specifically `range` matches a type, or `None` if it does not. Wildcards match no
/// stream, because a client that accepts anything expects a response that ends.
fn specificity(range: &MediaType<'_>, response_type: ResponseType) -> Option<u8> {
    let is = |ty, subty, suffix| (range.ty, range.subty, range.suffix) == (ty, subty, suffix);
    let is_named = match response_type {
        ResponseType::Json(JsonType::Json) => is(names::APPLICATION, names::JSON, None),
        ResponseType::Json(JsonType::GraphQlResponse) => {
            is(names::APPLICATION, GRAPHQL_RESPONSE, Some(names::JSON))
        }
        ResponseType::Stream(StreamType::EventStream) => is(names::TEXT, EVENT_STREAM, None),
        ResponseType::Stream(StreamType::Multipart) => {
            is(names::MULTIPART, names::MIXED, None) && is_for_subscriptions(range)
        }
    };
    let is_json = matches!(response_type, ResponseType::Json(_));
    if is_named {
        Some(2)
    } else if is_json && is(names::APPLICATION, names::_STAR, None) {
        Some(1)
    } else if is_json && is(names::_STAR, names::_STAR, None) {
        Some(0)
    } else {
        None
    }
}

/// Returns true if a `multipart/mixed` range means Apollo's subscriptions and not `@defer`.
fn is_for_subscriptions(range: &MediaType<'_>) -> bool {
    let version = range.get_param(SUBSCRIPTION_SPEC);
    version.is_none_or(|version| version.unquoted_str() == "1.0")
        && range.get_param(DEFER_SPEC).is_none()
}

/// Returns the quality value of `range`. Invalid ones count as 1.
fn quality(range: &MediaType<'_>) -> f32 {
    let quality = range.get_param(names::Q);
    let quality = quality.and_then(|quality| quality.as_str().parse::<f32>().ok());
    quality.filter(|quality| quality.is_finite()).unwrap_or(1.0)
}

/// Returns true if the request's body is JSON in UTF-8.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let Some(Ok(media_type)) = value.map(MediaType::parse) else {
        return false;
    };
    let charset = media_type.get_param(names::CHARSET);
    media_type.essence() == MediaType::new(names::APPLICATION, names::JSON)
        && charset.is_none_or(|charset| charset.unquoted_str().eq_ignore_ascii_case("utf-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SSE: ResponseType = ResponseType::Stream(StreamType::EventStream);
    const MULTIPART: ResponseType = ResponseType::Stream(StreamType::Multipart);
    const JSON: ResponseType = ResponseType::Json(JsonType::Json);
    const GRAPHQL: ResponseType = ResponseType::Json(JsonType::GraphQlResponse);

    fn accept(list: &str) -> Accept {
        let value = HeaderValue::from_str(list).unwrap();
        Accept::from_headers(&HeaderMap::from_iter([(ACCEPT, value)]))
    }

    #[test]
    fn best_type_has_the_highest_quality_then_the_first_position() {
        for (list, preferred) in [
            ("", Some(JSON)),
            ("*/*", Some(JSON)),
            ("application/*", Some(JSON)),
            ("text/event-stream", Some(SSE)),
            ("Text/Event-Stream; charset=utf-8", Some(SSE)),
            ("text/event-stream, multipart/mixed", Some(SSE)),
            ("multipart/mixed, text/event-stream", Some(MULTIPART)),
            ("text/event-stream;q=0.5, multipart/mixed", Some(MULTIPART)),
            ("application/json, text/event-stream", Some(JSON)),
            ("application/json;q=0.9, text/event-stream", Some(SSE)),
            ("application/json;q=0, */*", Some(GRAPHQL)),
            (
                "*/*;q=0.1, application/graphql-response+json",
                Some(GRAPHQL),
            ),
            ("*/*, application/graphql-response+json;q=0.1", Some(JSON)),
            ("application/json;q=nan", Some(JSON)),
            ("a/b;c=\"application/json,\", text/event-stream", Some(SSE)),
            ("nonsense, application/json", Some(JSON)),
            ("text/*", None),
            ("text/html", None),
            ("text/event-stream;q=0", None),
            ("text/event-stream+json", None),
        ] {
            assert_eq!(accept(list).preferred(), preferred, "{list}");
        }
        assert_eq!(
            Accept::from_headers(&HeaderMap::new()).preferred(),
            Some(JSON)
        );
    }

    #[test]
    fn several_accept_lines_form_one_list() {
        let lines = ["text/event-stream;q=0.1", "application/json;q=0.2"];
        let lines = lines.map(|line| (ACCEPT, HeaderValue::from_static(line)));
        assert_eq!(
            Accept::from_headers(&HeaderMap::from_iter(lines)).preferred(),
            Some(JSON)
        );
    }

    #[test]
    fn multipart_is_apollos_with_or_without_a_boundary() {
        for list in [
            "multipart/mixed",
            "multipart/mixed;subscriptionSpec=1.0",
            "multipart/mixed; subscriptionSpec=\"1.0\"",
            "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json;q=0.9",
            "multipart/mixed;boundary=\"graphql\";subscriptionSpec=\"1.0\", application/json",
            "multipart/mixed;boundary=\"-\";subscriptionspec=1.0",
        ] {
            assert_eq!(accept(list).preferred(), Some(MULTIPART), "{list}");
        }
        for list in [
            "multipart/mixed;subscriptionSpec=2.0, application/json",
            "multipart/mixed;deferSpec=20220824, application/json",
            "multipart/form-data, application/json",
        ] {
            assert_eq!(accept(list).preferred(), Some(JSON), "{list}");
            assert_eq!(accept(list).preferred_stream(), None);
        }
    }

    #[test]
    fn stream_needs_an_explicit_type_and_errors_are_always_json() {
        for list in ["*/*", "text/*", "multipart/*", "application/json"] {
            assert_eq!(accept(list).preferred_stream(), None, "{list}");
        }
        assert_eq!(accept("text/event-stream").preferred_json(), JsonType::Json);
        let apollo = accept(
            "multipart/mixed;subscriptionSpec=1.0,application/graphql-response+json,application/json;q=0.9",
        );
        assert_eq!(apollo.preferred_json(), JsonType::GraphQlResponse);
        assert_eq!(apollo.preferred_stream(), Some(StreamType::Multipart));
    }

    #[test]
    fn json_must_be_utf8() {
        let is_json = |value: &'static str| {
            is_json(&HeaderMap::from_iter([(
                CONTENT_TYPE,
                HeaderValue::from_static(value),
            )]))
        };
        for value in [
            "application/json",
            "Application/JSON;charset=UTF-8",
            "application/json; charset=\"utf-8\"",
            "application/json;",
            "application/json; profile=x; charset=utf-8",
        ] {
            assert!(is_json(value), "{value}");
        }
        for value in [
            "",
            "json",
            "application/json; charset=utf-16",
            "application/json; charset=iso-8859-1",
            "application/graphql-response+json",
            "text/plain",
            "application/json, text/plain",
        ] {
            assert!(!is_json(value), "{value}");
        }
        assert!(!super::is_json(&HeaderMap::new()));
    }
}
