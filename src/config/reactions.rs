//! The contents that reactions may have.

use std::str::FromStr;

use clap::ValueEnum;

/// The content of a reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReactionContent {
    /// A thumb up.
    ThumbsUp,
    /// A thumb down.
    ThumbsDown,
    /// A laughing face.
    Laugh,
    /// A party popper.
    Hooray,
    /// A confused face.
    Confused,
    /// A heart.
    Heart,
    /// A rocket.
    Rocket,
    /// A pair of eyes.
    Eyes,
}

/// A comma-separated list of contents, which may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactionContents(pub Vec<ReactionContent>);

impl FromStr for ReactionContents {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let contents = text.split(',').map(|name| {
            let content = ReactionContent::from_str(name, false);
            content.map_err(|_| format!("{name:?} is no content of a reaction"))
        });
        contents.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_of_contents_may_be_empty() {
        assert_eq!("".parse(), Ok(ReactionContents(Vec::new())));
        let two = vec![ReactionContent::ThumbsUp, ReactionContent::Heart];
        assert_eq!("THUMBS_UP,HEART".parse(), Ok(ReactionContents(two)));
        for bad in [" ", ",", "HEART,", "heart", "HEART THUMBS_UP", "PIZZA"] {
            assert!(bad.parse::<ReactionContents>().is_err(), "{bad:?}");
        }
    }
}
