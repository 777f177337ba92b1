//! The content of `causerie serve --demo`: a temporary database with three sample posts.

use std::path::Path;

use crate::{
    error::Error,
    model::{PostId, Profile, Role, Timestamp, User, UserId},
    store::{NewComment, NewPost, Screened, Store},
};

/// Returns the URL of a SQLite database in `folder`.
pub fn database_url(folder: &Path) -> String {
    format!("sqlite://{}?mode=rwc", folder.join("demo.db").display())
}

struct SamplePost {
    id: &'static str,
    title: &'static str,
    comments: &'static [SampleComment],
}

struct SampleComment {
    author: &'static str,
    body: &'static str,
    replies: &'static [(&'static str, &'static str)],
}

const POSTS: &[SamplePost] = &[
    SamplePost {
        id: "why-margins-matter",
        title: "Why margins matter",
        comments: &[],
    },
    SamplePost {
        id: "a-map-is-not-the-walk",
        title: "A map is not the walk",
        comments: &[SampleComment {
            author: "Noor",
            body: "I still draw mine by hand before a long hike. The paper gets wet, the memory does not.",
            replies: &[],
        }],
    },
    SamplePost {
        id: "the-quiet-web",
        title: "The quiet web",
        comments: &[
            SampleComment {
                author: "Ilse",
                body: "The best comment sections I remember felt like a kitchen table: few chairs, long evenings.",
                replies: &[
                    ("Tomás", "And somebody always had to fetch more chairs."),
                    ("Ilse", "Which is how you knew that it was a good evening."),
                ],
            },
            SampleComment {
                author: "Noor",
                body: "Open this page in a second window and write something there.\nIt will appear here while you type.",
                replies: &[],
            },
        ],
    },
];

/// Writes the sample posts and their comments into an empty database. Fails if they exist already.
pub async fn fill(store: &Store) -> Result<(), Error> {
    for (position, sample) in (0..).zip(POSTS) {
        let Some(id) = PostId::parse(sample.id) else {
            continue;
        };
        // Posts are one millisecond apart, so that their order is unambiguous.
        let at = Timestamp(Timestamp::now().0 + position);
        let post = NewPost {
            id: id.clone(),
            title: sample.title.to_owned(),
            url: None,
            at,
            by: None,
        };
        store.create_post(post).await?;
        for comment in sample.comments {
            let new = |author: &str, body: &str| NewComment {
                post_id: id.clone(),
                parent_id: None,
                max_depth: 32,
                author: Profile::new(sample_user(author), at),
                body: body.to_owned(),
                screened: Screened::PASSED,
                at,
                origin: None,
                key: None,
            };
            let parent = store
                .create_comment(new(comment.author, comment.body))
                .await?;
            for (author, body) in comment.replies {
                let mut reply = new(author, body);
                reply.parent_id = Some(parent.comment.id);
                store.create_comment(reply).await?;
            }
        }
    }
    Ok(())
}

fn sample_user(name: &str) -> User {
    User {
        id: UserId::parse(&format!("demo:{name}")).unwrap_or_else(UserId::new_guest),
        name: name.into(),
        avatar: None,
        role: Role::Reader,
    }
}
