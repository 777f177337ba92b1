//! How many read a post that nobody reads on this node: the other nodes are asked.
//!
//! Who asks about a post that is being asked about waits for the same answers, and for half a second
//! everybody is given the same. So asking often costs no more messages than asking twice a second.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::peers::NodeId;
use crate::model::PostId;

/// How long an answer is given out.
const FRESH: Duration = Duration::from_millis(500);
/// How many posts are asked about at the same time. Of one more nothing is known: nobody reads it.
const MAX_SURVEYS: usize = 4096;
/// How long the others' answers are waited for. Who has not answered by then has no readers.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(400);

#[derive(Debug)]
struct Survey {
    at: Instant,
    /// Whose answer is missing.
    missing: HashSet<NodeId>,
    /// How many there are, once that is known.
    count: watch::Sender<Option<usize>>,
}

/// What is being asked, and what was answered just now.
#[derive(Debug, Default)]
pub(crate) struct Surveys(Mutex<HashMap<PostId, Survey>>);

/// Where an answer will be.
#[derive(Debug)]
pub(crate) enum Asked {
    /// It must be asked: `HowMany` is to be sent, and then comes here.
    Now(watch::Receiver<Option<usize>>),
    /// It was asked already, or is known.
    Before(watch::Receiver<Option<usize>>),
    /// Too much is being asked.
    Never,
}

impl Surveys {
    /// Somebody wants to know how many read the post.
    pub(crate) fn ask(&self, post: &PostId, now: Instant) -> Asked {
        let mut surveys = self.0.lock();
        if let Some(survey) = surveys.get(post)
            && now < survey.at + FRESH
        {
            return Asked::Before(survey.count.subscribe());
        }
        if surveys.len() == MAX_SURVEYS {
            surveys.retain(|_, survey| now < survey.at + FRESH);
            if surveys.len() == MAX_SURVEYS {
                return Asked::Never;
            }
        }
        let (count, answer) = watch::channel(None);
        let survey = Survey {
            at: now,
            missing: HashSet::new(),
            count,
        };
        surveys.insert(post.clone(), survey);
        Asked::Now(answer)
    }

    /// These nodes are asked now. Where there are none the answer is known.
    pub(crate) fn sent(&self, post: &PostId, to: impl Iterator<Item = NodeId>) {
        let mut surveys = self.0.lock();
        if let Some(survey) = surveys.get_mut(post) {
            survey.missing = to.collect();
            if survey.missing.is_empty() {
                survey.count.send_replace(Some(0));
            }
        }
    }

    /// A node in the post's room has said how many read it, or another that it is not in the room.
    pub(crate) fn answer(&self, post: &PostId, node: NodeId, count: Option<usize>) {
        let mut surveys = self.0.lock();
        let Some(survey) = surveys.get_mut(post) else {
            return;
        };
        let was_missing = survey.missing.remove(&node);
        // Each node in the room knows them all: the first to say so is right.
        let known = match count {
            Some(count) => count,
            None if was_missing && survey.missing.is_empty() => 0,
            None => return,
        };
        survey.count.send_if_modified(|count| {
            let is_first = count.is_none();
            count.get_or_insert(known);
            is_first
        });
    }

    /// Drops what is not given out any more.
    pub(crate) fn sweep(&self, now: Instant) {
        self.0.lock().retain(|_, survey| now < survey.at + FRESH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post() -> PostId {
        PostId::parse("p").unwrap()
    }

    fn asked(surveys: &Surveys, now: Instant) -> watch::Receiver<Option<usize>> {
        match surveys.ask(&post(), now) {
            Asked::Now(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_node_that_is_in_the_room_knows_and_all_others_must_have_answered_otherwise() {
        let now = Instant::now();
        let [one, two] = [NodeId::new(), NodeId::new()];
        let surveys = Surveys::default();
        let answer = asked(&surveys, now);
        surveys.sent(&post(), [one, two].into_iter());
        surveys.answer(&post(), one, None);
        assert_eq!(*answer.borrow(), None);
        surveys.answer(&post(), two, Some(3));
        assert_eq!(*answer.borrow(), Some(3));
        assert!(matches!(surveys.ask(&post(), now), Asked::Before(_)));

        let answer = asked(&surveys, now + FRESH);
        surveys.sent(&post(), [one, two].into_iter());
        for node in [one, one, two] {
            assert_eq!(*answer.borrow(), None);
            surveys.answer(&post(), node, None);
        }
        assert_eq!(*answer.borrow(), Some(0));
    }

    #[test]
    fn where_there_are_no_others_nobody_reads_it() {
        let now = Instant::now();
        let surveys = Surveys::default();
        let answer = asked(&surveys, now);
        surveys.sent(&post(), [].into_iter());
        assert_eq!(*answer.borrow(), Some(0));
    }

    #[test]
    fn what_is_asked_at_the_same_time_is_bounded() {
        let now = Instant::now();
        let surveys = Surveys::default();
        for number in 0..MAX_SURVEYS {
            let post = PostId::parse(&format!("p{number}")).unwrap();
            assert!(matches!(surveys.ask(&post, now), Asked::Now(_)));
        }
        assert!(matches!(surveys.ask(&post(), now), Asked::Never));
        assert!(matches!(surveys.ask(&post(), now + FRESH), Asked::Now(_)));
        surveys.sweep(now + 2 * FRESH);
        assert!(surveys.0.lock().is_empty());
    }
}
