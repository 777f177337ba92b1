//! Tests of the parser: each format, and hostile documents.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use url::Url;

use super::{Document, DocumentError, Entry, MAX_DOCUMENT_BYTES, Refusal};

const SITEMAP: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
    <urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" xmlns:image=\"urn:image\">
      <url><loc> https://blog.example/a/?b&amp;c </loc><lastmod>2026-01-01</lastmod>
        <image:image><image:loc>https://blog.example/no.png</image:loc></image:image></url>
      <url><image:loc>https://blog.example/no.png</image:loc><loc><![CDATA[https://blog.example/b]]></loc></url>
    </urlset>";

/// Returns a line for each entry: the id and title of a page, another sitemap, or a refusal.
fn entries(document: impl AsRef<[u8]>) -> Result<Vec<String>, DocumentError> {
    let base: Url = "https://blog.example/feeds/all.xml".parse().unwrap();
    let document = Document::open(document.as_ref(), Some(&base))?;
    document
        .map(|entry| {
            Ok(match entry? {
                Entry::Page(page) => {
                    format!("{} {}", page.id, page.title.as_deref().unwrap_or("-"))
                }
                Entry::Sitemap(url) => format!("sitemap {url}"),
                Entry::Refused { name, reason } => format!("{name}: {reason}"),
            })
        })
        .collect()
}

fn rss(items: &str) -> String {
    format!(
        "<rss version=\"2.0\" xmlns:media=\"urn:m\" xmlns:atom=\"urn:a\"><channel>
        <title>Blog</title><link>https://blog.example/</link>{items}</channel></rss>"
    )
}

fn atom(entries: &str) -> String {
    format!(
        "<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>Blog</title>
        <link href=\"https://blog.example/\"/>{entries}</feed>"
    )
}

#[test]
fn sitemap_has_pages_without_titles() {
    assert_eq!(entries(SITEMAP).unwrap(), ["/a -", "/b -"]);
    let plain = "\u{feff}<urlset><url><loc>/relative</loc></url><url/></urlset>";
    assert_eq!(
        entries(plain).unwrap(),
        ["/relative -", "entry 2: it has no link"]
    );
    let prefixed =
        "<s:urlset xmlns:s=\"u\"><s:url><s:loc>https://a.example/a</s:loc></s:url></s:urlset>";
    assert_eq!(entries(prefixed).unwrap(), ["/a -"]);
}

#[test]
fn sitemap_index_has_sitemaps() {
    let index =
        "<sitemapindex xmlns=\"u\"><sitemap><loc>https://blog.example/1.xml.gz</loc></sitemap>
        <sitemap><loc>ftp://blog.example/2.xml</loc></sitemap></sitemapindex>";
    assert_eq!(
        entries(index).unwrap(),
        [
            "sitemap https://blog.example/1.xml.gz",
            "ftp://blog.example/2.xml: the link is no http or https URL"
        ]
    );
}

#[test]
fn rss_item_has_link_and_title() {
    let items = "
        <item><title>It&#8217;s &lt;b&gt; &amp; B</title><link>https://blog.example/a</link></item>
        <item><media:title>no</media:title><title><![CDATA[C & D]]> E</title>
          <atom:link href=\"https://blog.example/no\"/><link>../c/index.html</link></item>
        <item><guid isPermaLink=\"true\">https://blog.example/d</guid><title> </title></item>
        <item><guid isPermaLink=\"false\">https://blog.example/no</guid></item>
        <item><guid>https://blog.example/no</guid><link>/e</link><title>a&nbsp;b</title>
          <description><title>no</title><link>no</link></description></item>";
    assert_eq!(
        entries(rss(items)).unwrap(),
        [
            "/a It’s <b> & B",
            "/c C & D E",
            "/d -",
            "entry 4: it has no link",
            "/e a b"
        ]
    );
}

#[test]
fn atom_entry_has_link_and_title() {
    let parts = "
        <entry><title type=\"html\">&lt;em&gt;A&lt;/em&gt; &amp;amp; B</title>
          <link rel=\"self\" href=\"/no\"/><link rel=\"alternate\" href=\"/a?x&amp;y\"/><link href=\"/no\"/></entry>
        <entry xml:base=\"https://blog.example/b/\"><title type=\"xhtml\">
          <div xmlns=\"http://www.w3.org/1999/xhtml\">C <i>D</i></div></title><link href=\"c\"/>
          <source><title>no</title></source></entry>
        <entry><title>&lt;T&gt;</title><link href=\"mailto:a@blog.example\"/></entry>";
    assert_eq!(
        entries(atom(parts)).unwrap(),
        [
            "/a A & B",
            "/b/c C D",
            "mailto:a@blog.example: the link is no http or https URL"
        ]
    );
    let based = "<feed xml:base=\"/deep/x\"><entry><link href=\"y\"/></entry></feed>";
    assert_eq!(entries(based).unwrap(), ["/deep/y -"]);
}

#[test]
fn entry_that_cannot_be_stored_is_refused_alone() {
    let long = "a".repeat(600);
    let items = format!(
        "<item><link>/a%20b</link></item><item><link>/{long}</link></item>
         <item><link>/?{long}{long}{long}{long}</link></item>
         <item><link>/t</link><title>{long}</title></item><item><link>/z</link></item>"
    );
    let found = entries(rss(&items)).unwrap();
    let reasons: Vec<&str> = found
        .iter()
        .map(|entry| entry.rsplit(": ").next().unwrap())
        .collect();
    assert_eq!(
        reasons,
        [
            "the path has white space or control characters",
            "the path has 601 bytes, and a post's id at most 512",
            "the URL has more than 2048 bytes",
            "the title has 600 characters, and at most 300 are allowed",
            "/z -"
        ]
    );
}

#[test]
fn defined_entities_are_neither_expanded_nor_loaded() {
    let lol: String = (1..10)
        .map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10)))
        .collect();
    let items = "<item><link>/a</link><title>&l9;</title></item>
        <item><link>&file;</link></item><item><link>/b</link><description>&l9;</description></item>";
    let document = format!(
        "<!DOCTYPE rss [<!ENTITY l0 \"lol\">{lol}<!ENTITY file SYSTEM \"file:///etc/passwd\">
         <!ENTITY % remote SYSTEM \"http://localhost/dtd\"> %remote;]>{}",
        rss(items)
    );
    let refusal = Refusal::Entity;
    assert_eq!(
        entries(document).unwrap(),
        [
            format!("/a: {refusal}"),
            format!("entry 2: {refusal}"),
            "/b -".to_owned()
        ]
    );
    // An attribute with one is as good as absent.
    let link = "<entry><link href=\"/&l9;\"/></entry>";
    assert_eq!(entries(atom(link)).unwrap(), ["entry 1: it has no link"]);
}

#[test]
fn hostile_nesting_and_names_are_refused() {
    let deep = rss(&"<item>".repeat(100_000));
    assert!(matches!(entries(deep), Err(DocumentError::TooDeep)));
    let deep = rss(&format!("{}{}", "<a>".repeat(200), "</a>".repeat(200)));
    assert_eq!(entries(deep).unwrap(), [""; 0]);
    let names: String = (0..1000).map(|n| format!(" xmlns:n{n}=\"u\"")).collect();
    let names = rss(&format!("<item{names}/>"));
    assert!(matches!(entries(names), Err(DocumentError::Xml { .. })));
}

#[test]
fn document_of_another_kind_is_refused() {
    for other in ["", "{}", "text", "<html></html>", "<RDF/>", "<!-- c -->"] {
        let error = entries(other).unwrap_err();
        assert!(
            matches!(error, DocumentError::UnknownFormat),
            "{other}: {error}"
        );
    }
    for broken in [
        "<urlset><url></urlset>",
        "<urlset></url></urlset>",
        "<rss><channel></rss>",
        "<rss><!-- ",
        "<rss a=\"",
    ] {
        let error = entries(broken).unwrap_err();
        assert!(
            matches!(error, DocumentError::Xml { .. }),
            "{broken}: {error}"
        );
    }
    for short in ["<rss>", "<urlset><url><loc>https://a.example/"] {
        let error = entries(short).unwrap_err();
        assert!(
            matches!(error, DocumentError::Truncated),
            "{short}: {error}"
        );
    }
    let latin =
        b"<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><rss><channel>\xe9</channel></rss>";
    assert!(matches!(entries(latin), Err(DocumentError::Xml { .. })));
}

#[test]
fn compressed_document_is_read_and_bounded() {
    let gzip = |parts: &[&[u8]]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        parts
            .iter()
            .for_each(|part| encoder.write_all(part).unwrap());
        encoder.finish().unwrap()
    };
    assert_eq!(
        entries(gzip(&[SITEMAP.as_bytes()])).unwrap(),
        ["/a -", "/b -"]
    );
    let spaces = vec![b' '; MAX_DOCUMENT_BYTES];
    let error = entries(gzip(&[b"<rss>", &spaces, b"</rss>"])).unwrap_err();
    assert!(
        error.to_string().contains("larger than 52428800 bytes"),
        "{error}"
    );
    let broken = entries(&gzip(&[SITEMAP.as_bytes()])[..40]).unwrap_err();
    assert!(matches!(broken, DocumentError::Io(_)), "{broken}");
}
