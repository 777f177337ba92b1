//! Which media type a request has, and which its answer is to have (RFC 9110, sections 8.3 and 12.5.1).

use axum::http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, CONTENT_TYPE},
};
use mediatype::{MediaType, MediaTypeList, Name, ReadParams, names};

const GRAPHQL_RESPONSE: Name<'static> = Name::new_unchecked("graphql-response");
const EVENT_STREAM: Name<'static> = Name::new_unchecked("event-stream");
const SUBSCRIPTION_SPEC: Name<'static> = Name::new_unchecked("subscriptionSpec");
const DEFER_SPEC: Name<'static> = Name::new_unchecked("deferSpec");

/// How an operation is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With one document.
    Whole(Json),
    /// With a stream of results, which may be of just one.
    Streamed(Streamed),
}

/// The media type of an answer that is one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    /// `application/json`: 200 for every well-formed request.
    Json,
    /// `application/graphql-response+json`: the status tells what became of the request.
    GraphQlResponse,
}

/// The media type of an answer that is a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Streamed {
    /// `text/event-stream`, as graphql-sse has it.
    EventStream,
    /// `multipart/mixed` with `subscriptionSpec=1.0`, as Apollo has it.
    Multipart,
}

impl Json {
    pub(crate) fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::GraphQlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        })
    }
}

/// What a client takes.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// Each kind of answer, with how much the client likes it; those it does not take left out.
    answers: Vec<(Answer, Liking)>,
}

/// How much a client likes an answer: the quality that it gives to it, then the place of its name in
/// the list, for of what it likes equally it names first what it likes more.
#[derive(Clone, Copy, Debug)]
struct Liking {
    quality: f32,
    place: usize,
}

impl Accepted {
    /// What the request's `Accept` says. One that says nothing takes JSON.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(ACCEPT).iter();
        let list: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
        let list = list.join(",");
        let list = if list.trim().is_empty() { "*/*" } else { &list };
        let ranges: Vec<MediaType<'_>> = MediaTypeList::new(list).filter_map(Result::ok).collect();
        let answers = [
            Answer::Whole(Json::Json),
            Answer::Whole(Json::GraphQlResponse),
            Answer::Streamed(Streamed::EventStream),
            Answer::Streamed(Streamed::Multipart),
        ];
        let answers = answers
            .into_iter()
            .filter_map(|answer| Some((answer, liking(&ranges, answer)?)))
            .collect();
        Self { answers }
    }

    /// The answer that the client likes best; `None` where it takes none.
    pub(crate) fn best(&self) -> Option<Answer> {
        self.best_of(Some)
    }

    /// The kind of document that the client likes best; for one that takes none, what any can read.
    pub(crate) fn json(&self) -> Json {
        let best = self.best_of(|answer| match answer {
            Answer::Whole(json) => Some(json),
            Answer::Streamed(_) => None,
        });
        best.unwrap_or(Json::Json)
    }

    /// The stream that the client likes best; `None` where it takes none.
    pub(crate) fn stream(&self) -> Option<Streamed> {
        self.best_of(|answer| match answer {
            Answer::Streamed(streamed) => Some(streamed),
            Answer::Whole(_) => None,
        })
    }

    /// The best of those that are meant.
    fn best_of<T>(&self, meant: impl Fn(Answer) -> Option<T>) -> Option<T> {
        let answers = self.answers.iter();
        let answers = answers.filter_map(|(answer, liking)| Some((meant(*answer)?, liking)));
        // The last of the greatest would be taken, and the first is meant.
        let best = answers.rev().max_by(|(_, one), (_, other)| {
            let by_quality = one.quality.total_cmp(&other.quality);
            by_quality.then_with(|| other.place.cmp(&one.place))
        });
        best.map(|(answer, _)| answer)
    }
}

/// How much the ranges say that an answer is liked: the most specific of those that it is in.
fn liking(ranges: &[MediaType<'_>], answer: Answer) -> Option<Liking> {
    let found = ranges
        .iter()
        .enumerate()
        .filter_map(|(place, range)| Some((specificity(range, answer)?, place, quality(range))));
    // Of equally specific ones the first.
    let (_, place, quality) = found.rev().max_by_key(|(specificity, ..)| *specificity)?;
    (quality > 0.0).then_some(Liking { quality, place })
}

/// How exactly a range names an answer; `None` where the answer is not in it. A stream is only for
/// who names it: what takes anything expects an end.
fn specificity(range: &MediaType<'_>, answer: Answer) -> Option<u8> {
    let is = |ty, subty, suffix| (range.ty, range.subty, range.suffix) == (ty, subty, suffix);
    let is_named = match answer {
        Answer::Whole(Json::Json) => is(names::APPLICATION, names::JSON, None),
        Answer::Whole(Json::GraphQlResponse) => {
            is(names::APPLICATION, GRAPHQL_RESPONSE, Some(names::JSON))
        }
        Answer::Streamed(Streamed::EventStream) => is(names::TEXT, EVENT_STREAM, None),
        Answer::Streamed(Streamed::Multipart) => {
            is(names::MULTIPART, names::MIXED, None) && is_for_subscriptions(range)
        }
    };
    let is_whole = matches!(answer, Answer::Whole(_));
    if is_named {
        Some(2)
    } else if is_whole && is(names::APPLICATION, names::_STAR, None) {
        Some(1)
    } else if is_whole && is(names::_STAR, names::_STAR, None) {
        Some(0)
    } else {
        None
    }
}

/// Whether `multipart/mixed` means the protocol that is spoken here, and no other that has the name.
fn is_for_subscriptions(range: &MediaType<'_>) -> bool {
    let version = range.get_param(SUBSCRIPTION_SPEC);
    version.is_none_or(|version| version.unquoted_str() == "1.0")
        && range.get_param(DEFER_SPEC).is_none()
}

fn quality(range: &MediaType<'_>) -> f32 {
    let quality = range.get_param(names::Q);
    let quality = quality.and_then(|quality| quality.as_str().parse::<f32>().ok());
    quality.filter(|quality| quality.is_finite()).unwrap_or(1.0)
}

/// Whether the request's body is JSON, in the one charset that JSON has.
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

    const SSE: Answer = Answer::Streamed(Streamed::EventStream);
    const MULTIPART: Answer = Answer::Streamed(Streamed::Multipart);
    const JSON: Answer = Answer::Whole(Json::Json);
    const GRAPHQL: Answer = Answer::Whole(Json::GraphQlResponse);

    fn accepted(accept: &str) -> Accepted {
        let value = HeaderValue::from_str(accept).unwrap();
        Accepted::of(&HeaderMap::from_iter([(ACCEPT, value)]))
    }

    #[test]
    fn best_type_has_the_highest_quality_then_the_first_position() {
        for (accept, best) in [
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
            assert_eq!(accepted(accept).best(), best, "{accept}");
        }
        assert_eq!(Accepted::of(&HeaderMap::new()).best(), Some(JSON));
    }

    #[test]
    fn several_accept_lines_form_one_list() {
        let lines = ["text/event-stream;q=0.1", "application/json;q=0.2"];
        let lines = lines.map(|line| (ACCEPT, HeaderValue::from_static(line)));
        assert_eq!(
            Accepted::of(&HeaderMap::from_iter(lines)).best(),
            Some(JSON)
        );
    }

    #[test]
    fn multipart_is_apollos_with_or_without_a_boundary() {
        for accept in [
            "multipart/mixed",
            "multipart/mixed;subscriptionSpec=1.0",
            "multipart/mixed; subscriptionSpec=\"1.0\"",
            "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json;q=0.9",
            "multipart/mixed;boundary=\"graphql\";subscriptionSpec=\"1.0\", application/json",
            "multipart/mixed;boundary=\"-\";subscriptionspec=1.0",
        ] {
            assert_eq!(accepted(accept).best(), Some(MULTIPART), "{accept}");
        }
        for accept in [
            "multipart/mixed;subscriptionSpec=2.0, application/json",
            "multipart/mixed;deferSpec=20220824, application/json",
            "multipart/form-data, application/json",
        ] {
            assert_eq!(accepted(accept).best(), Some(JSON), "{accept}");
            assert_eq!(accepted(accept).stream(), None);
        }
    }

    #[test]
    fn stream_needs_an_explicit_type_and_errors_are_always_json() {
        for accept in ["*/*", "text/*", "multipart/*", "application/json"] {
            assert_eq!(accepted(accept).stream(), None, "{accept}");
        }
        assert_eq!(accepted("text/event-stream").json(), Json::Json);
        let apollo = accepted(
            "multipart/mixed;subscriptionSpec=1.0,application/graphql-response+json,application/json;q=0.9",
        );
        assert_eq!(apollo.json(), Json::GraphQlResponse);
        assert_eq!(apollo.stream(), Some(Streamed::Multipart));
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
