//! The answer of a check.

use serde::Deserialize;

/// The decision of a check on a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// Nothing speaks against it.
    Publish,
    /// A moderator must see it first.
    Hold,
    /// It must not be stored.
    Reject,
}

/// The body of a check's response. Fields of other names are ignored.
#[derive(Deserialize)]
struct Answer {
    verdict: Verdict,
}

impl Verdict {
    /// Returns `None` if `json` is not an answer.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        // Derived code would accept a list of the fields' values.
        let is_object = json.trim_ascii_start().starts_with(b"{");
        let answer: Option<Answer> = serde_json::from_slice(json).ok();
        answer.filter(|_| is_object).map(|answer| answer.verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_is_parsed_from_an_object_only() {
        for (json, verdict) in [
            (r#"{"verdict":"publish"}"#, Some(Verdict::Publish)),
            (r#" {"score": 0.7, "verdict": "hold"}"#, Some(Verdict::Hold)),
            (r#"{"verdict":"reject"}"#, Some(Verdict::Reject)),
            (r#"{"verdict":"Publish"}"#, None),
            (r#"{"verdict":null}"#, None),
            (r#"["publish"]"#, None),
            (r#""publish""#, None),
            ("{}", None),
            ("", None),
        ] {
            assert_eq!(Verdict::parse(json.as_bytes()), verdict, "{json}");
        }
    }
}
