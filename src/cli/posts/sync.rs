//! `causerie posts sync`: posts for the pages of a sitemap or a feed.
//!
//! Entries are applied in batches while the document is read. A batch reads what there is, and writes only
//! what differs, so a run that changes nothing writes nothing.

use std::{collections::HashSet, process::ExitCode};

use causerie::{
    config::StoreConfig,
    error::Error as StoreError,
    model::{PostId, Timestamp},
    site::{Document, Entry, Page, Source, path_title},
    store::{EnsureOutcome, EnsurePost, EnsuredTitle, Field, Store},
    telemetry::Registry,
};
use clap::Args;
use futures_util::future::join_all;
use indicatif::{ProgressBar, ProgressStyle};
use url::{Origin, Url};

use super::{super::Error, report::Report};

/// Number of entries that are applied together.
const BATCH: usize = 64;
/// Maximum number of pages of a run.
const MAX_PAGES: usize = 100_000;
/// Maximum number of sitemaps of an index.
const MAX_SITEMAPS: usize = 500;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// A sitemap, a sitemap index, or a feed in RSS 2.0 or Atom: an http or https URL, a file, or `-` for
    /// standard input. Gzip may have compressed it.
    source: Source,
    /// Prints the same report, and opens and updates no post.
    #[arg(long)]
    dry_run: bool,
    /// Origin of the pages, such as https://blog.example.org. By default that of the source, or of the first
    /// page if the source is no URL. Pages of other origins are refused.
    #[arg(long, value_parser = origin)]
    origin: Option<Origin>,
    /// Path below which pages have posts, such as /blog. May be repeated. By default all pages have.
    #[arg(long, value_name = "PATH", value_parser = folder)]
    under: Vec<String>,
    #[command(flatten)]
    store: StoreConfig,
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    // A database that this command created would most likely be in the wrong folder.
    let config = StoreConfig {
        database_url: arguments.store.database_url.replace("mode=rwc", "mode=rw"),
        ..arguments.store.clone()
    };
    let store = Store::open(&config, &Registry::new()).await?;
    let mut sync = Sync {
        store: &store,
        arguments,
        origin: arguments.origin.clone(),
        seen: HashSet::new(),
        report: Report::default(),
    };
    let synced = sync.source().await;
    store.close().await;
    sync.report.print();
    synced?;
    Ok(sync.report.exit_code())
}

/// A run.
struct Sync<'a> {
    store: &'a Store,
    arguments: &'a Arguments,
    /// The origin of the pages, once it is known.
    origin: Option<Origin>,
    /// The ids of the entries so far, and of their posts.
    seen: HashSet<PostId>,
    report: Report,
}

impl Sync<'_> {
    /// Applies the document of the source, and the sitemaps that it lists.
    async fn source(&mut self) -> Result<(), Error> {
        let source = &self.arguments.source;
        if self.origin.is_none() {
            self.origin = source.url().map(Url::origin);
        }
        let fail = |error: Error| -> Error { format!("{source}: {error}").into() };
        let sitemaps = self.document(source, Level::Source).await.map_err(fail)?;
        for sitemap in sitemaps {
            if let Err(error) = self.listed(&sitemap).await? {
                self.report.refuse(sitemap.as_str(), &error);
            }
        }
        Ok(())
    }

    /// Applies a sitemap of an index. The inner error concerns this sitemap alone.
    async fn listed(&mut self, sitemap: &Url) -> Result<Result<(), Error>, Error> {
        let source = Source::Url(sitemap.clone());
        match self.document(&source, Level::Listed).await {
            Ok(_) => Ok(Ok(())),
            Err(error) if error.is::<StoreError>() || error.is::<TooMany>() => Err(error),
            Err(error) => Ok(Err(error)),
        }
    }

    /// Applies the pages of a document. Returns the sitemaps that it lists.
    async fn document(&mut self, source: &Source, level: Level) -> Result<Vec<Url>, Error> {
        let content = source.open().await?;
        let bar = progress(content.size);
        let document = Document::open(bar.wrap_read(content.bytes), source.url())?;
        let mut sitemaps = Vec::new();
        let mut batch = Vec::with_capacity(BATCH);
        let mut failure = None;
        for entry in document {
            match entry {
                Ok(Entry::Page(page)) => self.admit(page, &mut batch)?,
                Ok(Entry::Sitemap(_)) if level == Level::Listed => {
                    return Err("an index in an index is not followed".into());
                }
                Ok(Entry::Sitemap(url)) => self.list(source, url, &mut sitemaps)?,
                Ok(Entry::Refused { name, reason }) => self.report.refuse(&name, &reason),
                Err(error) => failure = Some(error),
            }
            if batch.len() == BATCH {
                self.apply(&mut batch).await?;
                bar.set_message(self.report.counts());
            }
        }
        self.apply(&mut batch).await?;
        bar.finish_and_clear();
        match failure {
            Some(error) => Err(error.into()),
            None => Ok(sitemaps),
        }
    }

    /// Adds a page to the batch, if its post is wanted and no earlier entry named it.
    fn admit(&mut self, page: Page, batch: &mut Vec<Page>) -> Result<(), TooMany> {
        let origin = self.origin.get_or_insert_with(|| page.url.origin());
        if page.url.origin() != *origin {
            let reason = format!("not a page of {}", origin.ascii_serialization());
            self.report.refuse(page.url.as_str(), &reason);
            return Ok(());
        }
        let under = &self.arguments.under;
        let is_below = |folder: &String| page.id.as_str().starts_with(folder);
        if !under.is_empty() && !under.iter().any(is_below) {
            self.report.skip();
        } else if !self.seen.insert(page.id.clone()) {
            self.report.repeat();
        } else if self.seen.len() > MAX_PAGES {
            return Err(TooMany::Pages);
        } else {
            batch.push(page);
        }
        Ok(())
    }

    /// Adds a sitemap of an index, if it is of the index's origin.
    fn list(&mut self, index: &Source, url: Url, sitemaps: &mut Vec<Url>) -> Result<(), TooMany> {
        let refusal = match index.url() {
            None => Some("an index is followed only if it is read from a URL"),
            Some(index) if index.origin() != url.origin() => Some("of another origin"),
            Some(_) => None,
        };
        match refusal {
            Some(reason) => self.report.refuse(url.as_str(), &reason),
            None if sitemaps.len() == MAX_SITEMAPS => return Err(TooMany::Sitemaps),
            None => sitemaps.push(url),
        }
        Ok(())
    }

    /// Applies the batch and empties it.
    async fn apply(&mut self, batch: &mut Vec<Page>) -> Result<(), StoreError> {
        let at = Timestamp::now();
        let batch: Vec<_> = batch.drain(..).map(|page| ensure(page, at)).collect();
        let previews = batch.iter().map(|ensure| self.store.preview_ensure(ensure));
        let mut writes = Vec::new();
        for (preview, ensure) in join_all(previews).await.into_iter().zip(batch) {
            match self.accepted(&ensure.id, preview)? {
                // An old id and the present one may both be listed. The first one counts.
                Some((post, _)) if post != ensure.id && !self.seen.insert(post.clone()) => {
                    self.report.repeat();
                }
                Some((_, outcome))
                    if self.arguments.dry_run || outcome == EnsureOutcome::Unchanged =>
                {
                    self.report.apply(outcome);
                }
                Some(_) => writes.push(ensure),
                None => {}
            }
        }
        let ids: Vec<_> = writes.iter().map(|ensure| ensure.id.clone()).collect();
        let writes = writes
            .into_iter()
            .map(|ensure| self.store.ensure_post(ensure));
        for (ensured, id) in join_all(writes).await.into_iter().zip(ids) {
            if let Some(ensured) = self.accepted(&id, ensured)? {
                self.report.apply(ensured.outcome);
            }
        }
        Ok(())
    }

    /// Returns the result of an entry. Reports the entry if the store refused it alone.
    fn accepted<T>(
        &mut self,
        id: &PostId,
        result: Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match result {
            Ok(accepted) => Ok(Some(accepted)),
            Err(error @ StoreError::Conflict(_)) => {
                self.report.refuse(id.as_str(), &error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// The level of a document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// The document of the source, which may be an index.
    Source,
    /// A sitemap of an index.
    Listed,
}

/// The end of a run that would take too long or too much memory.
#[derive(Debug, thiserror::Error)]
enum TooMany {
    #[error("more than {MAX_PAGES} pages: sync its sitemaps one by one")]
    Pages,
    #[error("an index of more than {MAX_SITEMAPS} sitemaps: sync them one by one")]
    Sitemaps,
}

fn ensure(page: Page, at: Timestamp) -> EnsurePost {
    let title = match &page.title {
        Some(title) => EnsuredTitle::Always(title.clone()),
        None => EnsuredTitle::IfNew(path_title(&page)),
    };
    EnsurePost {
        id: page.id,
        title,
        url: Field::Set(Some(page.url.into())),
        by: None,
        at,
    }
}

/// Returns a progress bar over the bytes of a document. It is visible only if standard error is a terminal.
fn progress(size: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Some(size) = size {
        bar.set_length(size);
        // A template that is a constant is valid, and the default style would do.
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}") {
            bar.set_style(style);
        }
    }
    bar
}

fn origin(text: &str) -> Result<Origin, &'static str> {
    let url = Url::parse(text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.path() == "/");
    let url = url.ok_or("must be an origin, such as https://blog.example.org")?;
    Ok(url.origin())
}

/// Parses a path, and returns the beginning of the ids of pages below it.
fn folder(text: &str) -> Result<String, &'static str> {
    let page = Url::parse("http://localhost").and_then(|base| base.join(text));
    let page = page.ok().filter(|_| text.starts_with('/'));
    let id = page.and_then(|page| PostId::of_page(&page).ok());
    let id = id.ok_or("must be a path, such as /blog")?;
    Ok(format!("{}/", id.as_str().trim_end_matches('/')))
}
