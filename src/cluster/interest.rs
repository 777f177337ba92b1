//! The posts whose messages this node subscribes to.
//!
//! A post stays subscribed for [`LINGER`] after its room is gone, because most rooms come back soon.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use crate::model::PostId;

/// Time for which a post stays subscribed after its room is gone.
const LINGER: Duration = Duration::from_secs(30);
/// Maximum number of posts that linger. A further one evicts the one that has lingered longest.
const MAX_LINGERING: usize = 4096;

/// The subscribed posts.
#[derive(Debug, Default)]
pub(super) struct Interest {
    /// Subscribed posts, each with the time at which its room was gone, if it is.
    posts: HashMap<PostId, Option<Instant>>,
    /// Posts by the time at which their room was gone. A post whose room came back stays listed
    /// with the old time, which then differs from the one in `posts`.
    lingering: VecDeque<(Instant, PostId)>,
}

impl Interest {
    /// Records that the post has a room. The caller subscribes to it.
    pub(super) fn open(&mut self, post: &PostId) {
        self.posts.insert(post.clone(), None);
    }

    /// Records that the post's room is gone. Returns a post to unsubscribe from if too many linger.
    pub(super) fn close(&mut self, post: &PostId, now: Instant) -> Option<PostId> {
        if let Some(closed_at) = self.posts.get_mut(post) {
            *closed_at = Some(now);
            self.lingering.push_back((now, post.clone()));
        }
        if self.lingering.len() > MAX_LINGERING {
            return self.end_oldest();
        }
        None
    }

    /// Returns the posts to unsubscribe from because their time is over.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<PostId> {
        let mut expired = Vec::new();
        while let Some((closed_at, _)) = self.lingering.front()
            && *closed_at + LINGER <= now
        {
            expired.extend(self.end_oldest());
        }
        expired
    }

    fn end_oldest(&mut self) -> Option<PostId> {
        let (closed_at, post) = self.lingering.pop_front()?;
        if self.posts.get(&post) != Some(&Some(closed_at)) {
            return None;
        }
        self.posts.remove(&post);
        Some(post)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(number: usize) -> PostId {
        PostId::parse(&format!("p{number}")).unwrap()
    }

    #[test]
    fn post_expires_half_a_minute_after_its_last_room() {
        let start = Instant::now();
        let mut interest = Interest::default();
        interest.open(&post(0));
        assert_eq!(interest.close(&post(0), start), None);
        interest.open(&post(0));
        assert_eq!(interest.expire(start + LINGER), []);
        assert_eq!(interest.close(&post(0), start + LINGER), None);
        assert_eq!(interest.expire(start + 2 * LINGER), [post(0)]);
        assert!(interest.posts.is_empty() && interest.lingering.is_empty());
    }

    #[test]
    fn lingering_posts_are_bounded() {
        let now = Instant::now();
        let mut interest = Interest::default();
        for number in 0..MAX_LINGERING {
            interest.open(&post(number));
            assert_eq!(interest.close(&post(number), now), None);
        }
        interest.open(&post(MAX_LINGERING));
        assert_eq!(interest.close(&post(MAX_LINGERING), now), Some(post(0)));
        assert_eq!(interest.posts.len(), MAX_LINGERING);
    }
}
