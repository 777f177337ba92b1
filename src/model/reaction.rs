//! Reactions of users to comments.

use super::CommentId;

/// Maximum number of a user's reactions to the comments of one post that are read at once.
pub const MAX_OWN_REACTIONS: u64 = 1_000;

/// The content of a reaction. A user has at most one reaction of each content to a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

impl ReactionContent {
    /// All contents, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::ThumbsUp,
        Self::ThumbsDown,
        Self::Laugh,
        Self::Hooray,
        Self::Confused,
        Self::Heart,
        Self::Rocket,
        Self::Eyes,
    ];

    /// Returns what one reaction adds to the score of its comment.
    pub const fn score(self) -> i64 {
        match self {
            Self::ThumbsDown | Self::Confused => -1,
            Self::ThumbsUp
            | Self::Laugh
            | Self::Hooray
            | Self::Heart
            | Self::Rocket
            | Self::Eyes => 1,
        }
    }
}

/// A set of contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReactionSet(u8);

impl ReactionSet {
    /// Returns true if the set has this content.
    pub const fn contains(self, content: ReactionContent) -> bool {
        self.0 & Self::bit(content) != 0
    }

    /// Returns the contents of the set, in the order in which they are shown.
    pub fn iter(self) -> impl Iterator<Item = ReactionContent> {
        let all = ReactionContent::ALL.into_iter();
        all.filter(move |content| self.contains(*content))
    }

    const fn bit(content: ReactionContent) -> u8 {
        1 << content as u8
    }
}

impl FromIterator<ReactionContent> for ReactionSet {
    fn from_iter<I: IntoIterator<Item = ReactionContent>>(contents: I) -> Self {
        let bits = contents.into_iter().map(Self::bit);
        Self(bits.fold(0, |set, bit| set | bit))
    }
}

/// The numbers of reactions to a comment, by content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReactionCounts([i64; ReactionContent::ALL.len()]);

impl ReactionCounts {
    /// Sets the number of reactions of a content.
    pub fn set(&mut self, content: ReactionContent, count: i64) {
        self.0[content as usize] = count;
    }

    /// Returns the contents with at least one reaction and their numbers, in the order in which they are shown.
    pub fn groups(self) -> impl Iterator<Item = (ReactionContent, i64)> {
        let groups = ReactionContent::ALL.into_iter().zip(self.0);
        groups.filter(|(_, count)| *count > 0)
    }

    /// Returns the score of the comment.
    pub fn score(self) -> i64 {
        let scores = self
            .groups()
            .map(|(content, count)| content.score() * count);
        scores.sum()
    }
}

/// A reaction of one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// The comment.
    pub comment: CommentId,
    /// The content.
    pub content: ReactionContent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_keeps_the_order_of_contents() {
        use ReactionContent::{Eyes, Heart, ThumbsDown, ThumbsUp};
        let set: ReactionSet = [Eyes, ThumbsUp, Heart, Eyes].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [ThumbsUp, Heart, Eyes]);
        assert!(set.contains(Heart) && !set.contains(ThumbsDown));
        assert_eq!(ReactionSet::default().iter().count(), 0);
    }

    #[test]
    fn score_subtracts_what_disapproves() {
        use ReactionContent::{Confused, Heart, ThumbsDown, ThumbsUp};
        let mut counts = ReactionCounts::default();
        counts.set(ThumbsDown, 2);
        counts.set(ThumbsUp, 5);
        counts.set(Confused, 1);
        assert_eq!(counts.score(), 2);
        let groups: Vec<_> = counts.groups().collect();
        assert_eq!(groups, [(ThumbsUp, 5), (ThumbsDown, 2), (Confused, 1)]);
        counts.set(Heart, 1);
        assert_eq!(counts.score(), 3);
    }
}
