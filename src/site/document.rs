//! The parser of sitemaps and feeds.

use std::io::{self, BufRead, Read};

use quick_xml::{
    NsReader,
    escape::resolve_html5_entity,
    events::{BytesRef, BytesStart, Event},
    name::ResolveResult,
};
use url::Url;

use super::{
    Entry,
    entry::Draft,
    html, input,
    place::{Format, MAX_PATH, Place},
};

/// Maximum depth of nested elements.
const MAX_DEPTH: usize = 256;
/// Number of bytes of a link or title that are kept. The rules for both are far stricter.
const MAX_TEXT_BYTES: usize = 8 * 1024;

/// The failure to parse a document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// A document that cannot be read, or is too large.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A text that is not well-formed XML in UTF-8.
    #[error("byte {position}: {error}")]
    Xml {
        /// The position of the fault.
        position: u64,
        /// The fault.
        error: quick_xml::Error,
    },
    /// XML of another kind.
    #[error("neither a sitemap, nor RSS or Atom")]
    UnknownFormat,
    /// A document that ends within an element.
    #[error("it ends too early")]
    Truncated,
    /// A document that is nested deeper than any of these formats.
    #[error("its elements are nested more than {MAX_DEPTH} deep")]
    TooDeep,
}

/// A sitemap or a feed: an iterator over its entries. It ends after the first error.
pub struct Document<'a> {
    reader: NsReader<Box<dyn BufRead + Send + 'a>>,
    buffer: Vec<u8>,
    /// The base of relative links.
    base: Option<Url>,
    state: State,
    is_at_end: bool,
}

/// The place of the parser.
#[derive(Default)]
struct State {
    /// The format, and the namespace of the root.
    root: Option<(Format, String)>,
    depth: usize,
    /// Names of the elements that are open below the root, those of other namespaces as empty texts. Deeper
    /// ones than [`MAX_PATH`] are left out.
    path: Vec<String>,
    draft: Draft,
    /// The text that is being collected.
    text: Option<Text>,
    /// Number of entries so far.
    entries: usize,
}

/// A text that is being collected, with the depth of its element.
struct Text {
    place: Place,
    depth: usize,
    is_html: bool,
    content: String,
}

impl<'a> Document<'a> {
    /// Begins to parse a document, which gzip may have compressed. `base` is the document's own URL.
    pub fn open(bytes: impl Read + Send + 'a, base: Option<&Url>) -> io::Result<Self> {
        let mut reader = NsReader::from_reader(input::document(bytes)?);
        reader.config_mut().expand_empty_elements = true;
        // Texts of feeds are full of them.
        reader.config_mut().allow_dangling_amp = true;
        Ok(Self {
            reader,
            buffer: Vec::new(),
            base: base.cloned(),
            state: State::default(),
            is_at_end: false,
        })
    }

    fn next_entry(&mut self) -> Result<Option<Entry>, DocumentError> {
        loop {
            self.buffer.clear();
            let event = self.reader.read_resolved_event_into(&mut self.buffer);
            let state = &mut self.state;
            match event {
                Ok((namespace, Event::Start(start))) => {
                    let namespace = match namespace {
                        ResolveResult::Bound(namespace) => namespace.0,
                        ResolveResult::Unbound | ResolveResult::Unknown(_) => "",
                    };
                    if let Some(base) = state.start(namespace, &start, self.base.as_ref())? {
                        self.base = Some(base);
                    }
                }
                Ok((_, Event::End(_))) => {
                    if let Some(entry) = state.end(self.base.as_ref()) {
                        return Ok(Some(entry));
                    }
                }
                Ok((_, Event::Text(text))) => state.add(&text.xml10_content()),
                Ok((_, Event::CData(text))) => state.add(&text.xml10_content()),
                Ok((_, Event::GeneralRef(reference))) => state.resolve(&reference),
                Ok((_, Event::Eof)) if state.depth > 0 => return Err(DocumentError::Truncated),
                Ok((_, Event::Eof)) if state.root.is_none() => {
                    return Err(DocumentError::UnknownFormat);
                }
                Ok((_, Event::Eof)) => return Ok(None),
                Ok(_) => {}
                Err(quick_xml::Error::Io(error)) => {
                    return Err(io::Error::new(error.kind(), error).into());
                }
                Err(error) => {
                    let position = self.reader.error_position();
                    return Err(DocumentError::Xml { position, error });
                }
            }
        }
    }
}

impl Iterator for Document<'_> {
    type Item = Result<Entry, DocumentError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_at_end {
            return None;
        }
        let entry = self.next_entry().transpose();
        self.is_at_end = !matches!(entry, Some(Ok(_)));
        entry
    }
}

impl State {
    /// Enters an element. Returns the base of the links that follow, if the root has one.
    fn start(
        &mut self,
        namespace: &str,
        start: &BytesStart<'_>,
        base: Option<&Url>,
    ) -> Result<Option<Url>, DocumentError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(DocumentError::TooDeep);
        }
        let name = start.local_name();
        let Some((format, own)) = &self.root else {
            let format = Format::of_root(name.as_ref()).ok_or(DocumentError::UnknownFormat)?;
            self.root = Some((format, namespace.to_owned()));
            return Ok(own_base(start, base));
        };
        if self.depth > MAX_PATH {
            return Ok(None);
        }
        // Extensions such as `media:title` and `image:loc` have the same names.
        let is_own = own == namespace;
        let name = if is_own { name.as_ref() } else { "" };
        self.path.push(name.to_owned());
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match format.place(&path) {
            Some(Place::Entry) => {
                self.entries += 1;
                self.draft = Draft {
                    base: own_base(start, base),
                    ..Draft::default()
                };
            }
            Some(Place::LinkAttributes) => self.draft.read_link(start),
            Some(Place::Guid) if attribute(start, "isPermaLink").as_deref() == Some("false") => {}
            Some(place) => {
                let kind = attribute(start, "type");
                self.text = Some(Text {
                    place,
                    depth: self.depth,
                    is_html: kind.as_deref() == Some("html"),
                    content: String::new(),
                });
            }
            None => {}
        }
        Ok(None)
    }

    /// Leaves an element. Returns the entry, if it was one.
    fn end(&mut self, base: Option<&Url>) -> Option<Entry> {
        if let Some(text) = self.text.take_if(|text| text.depth == self.depth) {
            self.draft.take(text);
        }
        let format = self.root.as_ref().map(|(format, _)| *format);
        let is_in_path = (2..=MAX_PATH).contains(&self.depth);
        self.depth -= 1;
        if !is_in_path {
            return None;
        }
        let format = format?;
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let is_entry = format.place(&path) == Some(Place::Entry);
        self.path.pop();
        if !is_entry {
            return None;
        }
        let draft = std::mem::take(&mut self.draft);
        let entry = match format {
            Format::SitemapIndex => draft.url(base).map(Entry::Sitemap),
            Format::Sitemap | Format::Rss | Format::Atom => draft.page(base).map(Entry::Page),
        };
        Some(entry.unwrap_or_else(|reason| Entry::Refused {
            name: match draft.link() {
                Some(link) => link.to_owned(),
                None => format!("entry {}", self.entries),
            },
            reason,
        }))
    }

    /// Adds to the text that is being collected.
    fn add(&mut self, content: &str) {
        if let Some(text) = &mut self.text {
            let left = MAX_TEXT_BYTES.saturating_sub(text.content.len());
            let cut = content.floor_char_boundary(left.min(content.len()));
            text.content.push_str(&content[..cut]);
        }
    }

    /// Adds the character that a reference names. What the document itself defines is not expanded.
    fn resolve(&mut self, reference: &BytesRef<'_>) {
        if self.text.is_none() {
            return;
        }
        match reference.resolve_char_ref() {
            Ok(Some(character)) => self.add(character.encode_utf8(&mut [0; 4])),
            Ok(None) => match resolve_html5_entity(reference) {
                Some(text) => self.add(text),
                None => self.draft.has_unknown_entity = true,
            },
            Err(_) => self.draft.has_unknown_entity = true,
        }
    }
}

impl Draft {
    /// Reads the link of an Atom entry. The first one to the page itself counts.
    fn read_link(&mut self, link: &BytesStart<'_>) {
        let rel = attribute(link, "rel");
        if self.link.is_none() && matches!(rel.as_deref(), None | Some("alternate")) {
            self.link = attribute(link, "href");
        }
    }

    /// Takes a text that was collected. The first one of a place counts.
    fn take(&mut self, text: Text) {
        let content = match text.is_html {
            true => html::text(&text.content),
            false => text.content,
        };
        match text.place {
            Place::Link => self.link.get_or_insert(content),
            Place::Guid => self.guid.get_or_insert(content),
            Place::Title => self.title.get_or_insert(content),
            Place::Entry | Place::LinkAttributes => return,
        };
    }
}

/// Returns the URL that an element gives as the base of its links.
fn own_base(element: &BytesStart<'_>, base: Option<&Url>) -> Option<Url> {
    let own = attribute(element, "xml:base")?;
    Url::options().base_url(base).parse(&own).ok()
}

/// Returns the value of an attribute, without the references that are not predefined.
fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    // The check for duplicates takes quadratic time.
    let mut attributes = element.attributes();
    let mut attributes = attributes.with_checks(false).flatten();
    let attribute = attributes.find(|attribute| attribute.key.as_ref() == name)?;
    let value = quick_xml::escape::unescape_with(&attribute.value, resolve_html5_entity);
    value.ok().map(|value| value.into_owned())
}
