//! `causerie posts sync`: posts for the pages of a sitemap or a feed.

use std::{collections::HashMap, io::Write, path::Path};

use axum::{
    Router,
    body::Bytes,
    extract::{Path as UrlPath, State},
    http::StatusCode,
    routing::get,
};
use flate2::{Compression, write::GzEncoder};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    posts::author,
    support::{Program, TestServer, another_program, causerie, database_url},
};

const SITEMAP: &str = "<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">
    <url><loc>https://blog.example/caf%C3%A9/</loc></url>
    <url><loc>https://blog.example/notes/my-map/index.html</loc></url>
    <url><loc>https://blog.example/notes/my-map/?page=2</loc></url>
    <url><loc>https://blog.example/no%20id</loc></url>
    <url><loc>https://other.example/a</loc></url>
</urlset>";
const POSTS: &str = "{ posts { nodes { id title url } } }";

/// Returns an RSS feed with these paths and titles.
fn rss(items: &[(&str, &str)]) -> String {
    let items: String = items
        .iter()
        .map(|(path, title)| {
            format!("<item><title>{title}</title><link>https://blog.example{path}</link></item>")
        })
        .collect();
    format!("<rss version=\"2.0\"><channel><title>Blog</title>{items}</channel></rss>")
}

/// Returns an Atom feed with these paths and titles in HTML.
fn atom(entries: &[(&str, &str)]) -> String {
    let entries: String = entries
        .iter()
        .map(|(path, title)| {
            format!("<entry><title type=\"html\">{title}</title><link href=\"{path}\"/></entry>")
        })
        .collect();
    format!(
        "<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:base=\"https://blog.example/\">{entries}</feed>"
    )
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("compressed");
    encoder.finish().expect("compressed")
}

/// The result of a run: its exit code, the counts, and the lines of standard error.
#[derive(Debug, PartialEq)]
struct Run {
    code: Option<i32>,
    counts: String,
    errors: Vec<String>,
}

/// Runs `causerie posts sync` on a database.
async fn sync(database: &str, arguments: &[&str]) -> Run {
    let mut command = causerie(&["posts", "sync"]);
    command.args(arguments).env("DATABASE_URL", database);
    let ended = Program::run(&mut command).await;
    Run {
        code: ended.status.code(),
        counts: ended.stdout.trim().to_owned(),
        errors: ended.stderr.lines().map(str::to_owned).collect(),
    }
}

/// Returns the counts as they are printed.
fn counts([opened, updated, unchanged, repeated, skipped, refused]: [u32; 6]) -> String {
    format!(
        "opened {opened}, updated {updated}, unchanged {unchanged}, repeated {repeated}, \
         skipped {skipped}, refused {refused}"
    )
}

/// Asserts that a run refused nothing, and that it counted this.
fn assert_done(run: &Run, expected: [u32; 6]) {
    assert_eq!(run.counts, counts(expected), "{run:?}");
    assert_eq!((run.code, &run.errors[..]), (Some(0), &[][..]), "{run:?}");
}

/// Writes a file and returns its path.
fn file(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).expect("written");
    path.to_str().expect("a path").to_owned()
}

/// Creates the tables of a database, as an operator does.
async fn migrate(database: &str) {
    let mut command = causerie(&["migrate"]);
    let ended = Program::run(command.env("DATABASE_URL", database)).await;
    assert!(ended.status.success(), "{}", ended.stderr);
}

/// Returns all that is stored of the posts, by their ids.
async fn stored(database: &str) -> Vec<(String, String, String, i64)> {
    let connection = another_program(database).await;
    let sql = "SELECT id, title, url, version FROM post ORDER BY created_at, id";
    let backend = ConnectionTrait::get_database_backend(&connection);
    let rows = connection.query_all_raw(Statement::from_string(backend, sql));
    let rows = rows.await.expect("rows");
    let mut posts: Vec<(String, String, String, i64)> = rows
        .iter()
        .map(|row| {
            let text = |index| {
                row.try_get_by_index::<Option<String>>(index)
                    .expect("a text")
            };
            let version = row.try_get_by_index(3).expect("a number");
            let texts = [0, 1, 2].map(|index| text(index).unwrap_or_default());
            let [id, title, url] = texts;
            (id, title, url, version)
        })
        .collect();
    connection.close().await.expect("closed");
    posts.sort();
    posts
}

/// A host site that serves files over HTTP.
struct Site {
    origin: String,
    serving: JoinHandle<()>,
}

impl Site {
    /// Serves the files that `files` makes for the site's origin.
    async fn start(files: impl FnOnce(&str) -> HashMap<&'static str, Vec<u8>>) -> Self {
        async fn answer(
            State(files): State<HashMap<&'static str, Vec<u8>>>,
            UrlPath(name): UrlPath<String>,
        ) -> Result<Bytes, StatusCode> {
            let file = files.get(name.as_str()).ok_or(StatusCode::NOT_FOUND)?;
            Ok(file.clone().into())
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let origin = format!("http://{address}");
        let router = Router::new()
            .route("/{name}", get(answer))
            .with_state(files(&origin));
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("served");
        });
        Self { origin, serving }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[tokio::test]
async fn sitemap_opens_posts_and_names_what_it_refuses() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = database_url(folder.path());
    migrate(&database).await;
    let sitemap = file(folder.path(), "sitemap.xml", SITEMAP);
    let compressed = file(folder.path(), "sitemap.xml.gz", gzip(SITEMAP));
    let refused = [
        "causerie: refused https://blog.example/no%20id: the path has white space or control characters",
        "causerie: refused https://other.example/a: not a page of https://blog.example",
    ];
    let dry = sync(&database, &["--dry-run", &sitemap]).await;
    assert_eq!(stored(&database).await, []);
    let first = sync(&database, &[&sitemap]).await;
    assert_eq!(dry, first);
    assert_eq!(first.counts, counts([2, 0, 0, 1, 0, 2]));
    assert_eq!(
        (first.code, &first.errors[..]),
        (Some(2), &refused.map(str::to_owned)[..])
    );
    let posts = stored(&database).await;
    let expected = [
        ("/café", "Café", "https://blog.example/caf%C3%A9/"),
        (
            "/notes/my-map",
            "My map",
            "https://blog.example/notes/my-map/index.html",
        ),
    ];
    let expected = expected.map(|(id, title, url)| (id.into(), title.into(), url.into(), 0));
    assert_eq!(posts, expected);
    let again = sync(&database, &[&compressed]).await;
    assert_eq!(again.counts, counts([0, 0, 2, 1, 0, 2]));
    assert_eq!(stored(&database).await, posts);
}

#[tokio::test]
async fn feeds_set_titles_and_sitemaps_keep_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = database_url(folder.path());
    migrate(&database).await;
    let feed = file(
        folder.path(),
        "rss.xml",
        rss(&[("/a/", " A &amp; B\n"), ("/b/", "")]),
    );
    assert_done(&sync(&database, &[&feed]).await, [2, 0, 0, 0, 0, 0]);
    assert_done(&sync(&database, &[&feed]).await, [0, 0, 2, 0, 0, 0]);
    let feed = file(
        folder.path(),
        "atom.xml",
        atom(&[("/a/", "A &amp;amp; B"), ("/b", "B")]),
    );
    let dry = sync(&database, &["--dry-run", &feed]).await;
    assert_done(&dry, [0, 1, 1, 0, 0, 0]);
    let titles = async || {
        let posts = stored(&database).await;
        let titles = posts
            .into_iter()
            .map(|(_, title, url, version)| (title, url, version));
        titles.collect::<Vec<_>>()
    };
    let post = |title: &str, path: &str, version: i64| {
        (
            title.to_owned(),
            format!("https://blog.example{path}"),
            version,
        )
    };
    assert_eq!(
        titles().await,
        [post("A & B", "/a/", 0), post("B", "/b/", 0)]
    );
    assert_done(&sync(&database, &[&feed]).await, [0, 1, 1, 0, 0, 0]);
    assert_eq!(
        titles().await,
        [post("A & B", "/a/", 0), post("B", "/b", 1)]
    );
    let sitemap = "<urlset><url><loc>https://blog.example/a/?x</loc></url></urlset>";
    let sitemap = file(folder.path(), "sitemap.xml", sitemap);
    assert_done(&sync(&database, &[&sitemap]).await, [0, 1, 0, 0, 0, 0]);
    assert_eq!(
        titles().await,
        [post("A & B", "/a/?x", 1), post("B", "/b", 1)]
    );
}

#[tokio::test]
async fn only_pages_below_a_path_have_posts() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = database_url(folder.path());
    migrate(&database).await;
    let items = [
        ("/", ""),
        ("/blog/", ""),
        ("/blog/a", ""),
        ("/blogs", ""),
        ("/notes/b", ""),
    ];
    let feed = file(folder.path(), "rss.xml", rss(&items));
    let run = sync(&database, &[&feed, "--under", "/blog/", "--under=/notes"]).await;
    assert_done(&run, [2, 0, 0, 0, 3, 0]);
    let other = ["--origin", "https://www.blog.example", &feed];
    let run = sync(&database, &other).await;
    assert_eq!(
        (run.code, run.counts),
        (Some(2), counts([0, 0, 0, 0, 0, 5]))
    );
}

#[tokio::test]
async fn served_index_is_followed_within_its_origin() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = database_url(folder.path());
    migrate(&database).await;
    let site = Site::start(|origin| {
        let index = format!(
            "<sitemapindex><sitemap><loc>{origin}/posts.xml.gz</loc></sitemap>
             <sitemap><loc>{origin}/missing.xml</loc></sitemap>
             <sitemap><loc>{origin}/index.xml</loc></sitemap>
             <sitemap><loc>http://127.0.0.2:1/pages.xml</loc></sitemap></sitemapindex>"
        );
        let pages: String = (0..1000)
            .map(|n| format!("<url><loc>{origin}/posts/{n}</loc></url>"))
            .collect();
        let posts = gzip(&format!("<urlset>{pages}</urlset>"));
        HashMap::from([("index.xml", index.into_bytes()), ("posts.xml.gz", posts)])
    })
    .await;
    let origin = &site.origin;
    let index = format!("{origin}/index.xml");
    let run = sync(&database, &[&index]).await;
    assert_eq!(run.counts, counts([1000, 0, 0, 0, 0, 3]), "{run:?}");
    let refused = [
        "causerie: refused http://127.0.0.2:1/pages.xml: of another origin".to_owned(),
        format!("causerie: refused {origin}/missing.xml: unexpected status 404 Not Found"),
        format!("causerie: refused {origin}/index.xml: an index in an index is not followed"),
    ];
    assert_eq!(run.errors, refused);
    let again = sync(&database, &[&index]).await;
    assert_eq!(again.counts, counts([0, 0, 1000, 0, 0, 3]));
    assert_eq!(stored(&database).await.len(), 1000);
    let gone = sync(&database, &[&format!("{origin}/gone.xml")]).await;
    let message = format!("causerie: {origin}/gone.xml: unexpected status 404 Not Found");
    assert_eq!((gone.code, gone.errors), (Some(1), vec![message]));
}

#[tokio::test]
async fn running_server_shows_a_new_title() {
    let server = TestServer::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let database = server.database();
    let feed = file(folder.path(), "rss.xml", rss(&[("/a", "Old")]));
    assert_done(&sync(&database, &[&feed]).await, [1, 0, 0, 0, 0, 0]);
    let mut socket = server.socket().await;
    let changed = "subscription { postChanged(postId: \"/a\") { title url } }";
    socket.subscribe("p", changed, json!({})).await;
    let subscribed = "causerie_operations_total{type=\"subscription\",code=\"OK\"}";
    server.wait_for_sample(subscribed, 1.0).await;
    file(folder.path(), "rss.xml", rss(&[("/a", "New")]));
    assert_done(&sync(&database, &[&feed]).await, [0, 1, 0, 0, 0, 0]);
    let post = json!({"title": "New", "url": "https://blog.example/a"});
    assert_eq!(socket.data("p").await["postChanged"], post);
    let query = "{ post(id: \"/a\") { title url } }";
    let answer = server.client().send(query, json!({})).await;
    assert_eq!(answer["post"], post);
    let listed = server.client().send(POSTS, json!({})).await;
    assert_eq!(listed["posts"]["nodes"].as_array().map(Vec::len), Some(2));
    server.stop().await;
}

#[tokio::test]
async fn old_id_of_a_moved_post_names_the_post() {
    let server = TestServer::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let database = server.database();
    let old = file(folder.path(), "old.xml", rss(&[("/old", "Old")]));
    assert_done(&sync(&database, &[&old]).await, [1, 0, 0, 0, 0, 0]);
    let relocate =
        "mutation { movePost(input: { id: \"/old\", newId: \"/new\" }) { post { id } } }";
    author(&server).send(relocate, json!({})).await;
    assert_done(&sync(&database, &[&old]).await, [0, 0, 1, 0, 0, 0]);
    let both = file(
        folder.path(),
        "both.xml",
        rss(&[("/old", "Old"), ("/new", "New")]),
    );
    assert_done(&sync(&database, &[&both]).await, [0, 1, 0, 1, 0, 0]);
    assert_done(&sync(&database, &[&both]).await, [0, 0, 1, 1, 0, 0]);
    let nodes: Value = server.client().send(POSTS, json!({})).await["posts"]["nodes"].take();
    let post = json!({"id": "/new", "title": "New", "url": "https://blog.example/new"});
    assert!(nodes.as_array().expect("posts").contains(&post), "{nodes}");
    server.stop().await;
}

#[tokio::test]
async fn id_of_a_deleted_post_is_refused_until_it_is_free() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = database_url(folder.path());
    migrate(&database).await;
    let feed = file(folder.path(), "rss.xml", rss(&[("/a", "A"), ("/b", "B")]));
    assert_done(&sync(&database, &[&feed]).await, [2, 0, 0, 0, 0, 0]);
    // No server runs, so the job that would remove the row does not.
    let connection = another_program(&database).await;
    crate::support::run(
        &connection,
        "UPDATE post SET deleted_at = 1 WHERE id = '/a'",
    )
    .await;
    connection.close().await.expect("closed");
    for arguments in [&["--dry-run", &feed][..], &[&feed]] {
        let run = sync(&database, arguments).await;
        assert_eq!(
            (run.code, run.counts),
            (Some(2), counts([0, 0, 1, 0, 0, 1]))
        );
        assert_eq!(
            run.errors,
            ["causerie: refused /a: A deleted post has this id still."]
        );
    }
}

#[tokio::test]
async fn failed_sync_says_why_and_keeps_what_it_did() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = database_url(folder.path());
    migrate(&database).await;
    let cut = rss(&[("/a", "A"), ("/b", "B")]).replace("</channel></rss>", "");
    let cut = file(folder.path(), "cut.xml", cut);
    let run = sync(&database, &[&cut]).await;
    let message = format!("causerie: {cut}: it ends too early");
    assert_eq!((run.code, run.errors), (Some(1), vec![message]));
    assert_eq!(run.counts, counts([2, 0, 0, 0, 0, 0]));
    assert_eq!(stored(&database).await.len(), 2);
    let missing = folder.path().join("missing.xml");
    let run = sync(&database, &[missing.to_str().expect("a path")]).await;
    assert_eq!(run.code, Some(1));
    assert!(
        run.errors[0].contains("missing.xml: No such file"),
        "{run:?}"
    );
    let absent = format!(
        "sqlite://{}?mode=rwc",
        folder.path().join("absent.db").display()
    );
    let run = sync(&absent, &[&cut]).await;
    assert_eq!(run.code, Some(1));
    assert!(
        run.errors[0].contains("unable to open database file"),
        "{run:?}"
    );
    assert!(!folder.path().join("absent.db").exists());
}
