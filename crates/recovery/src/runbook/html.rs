//! A runbook as one HTML file: no script, nothing from elsewhere; for the screen and for paper.

use std::fmt::Write;

use super::document::{Document, Section, Step};
use super::words::shown;

/// Two colour schemes, and paper.
const STYLE: &str = include_str!("runbook.css");

impl Document {
    /// The runbook as one HTML file, which is also well-formed XML.
    #[must_use]
    pub fn to_html(&self) -> String {
        let title = escaped(&self.title);
        let mut html = format!(
            "<!DOCTYPE html>\n\
             <html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n\
             <meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width\"/>\n\
             <meta name=\"color-scheme\" content=\"light dark\"/>\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        );
        // Writing to a String does not fail.
        for banner in &self.banners {
            let _ = writeln!(html, "<p class=\"banner\">{}</p>", escaped(banner));
        }
        table(&mut html, "facts", &self.facts);
        if !self.strips.is_empty() {
            html.push_str(LEGEND);
        }
        for strip in &self.strips {
            let words = escaped(&strip.in_words());
            let svg = strip.to_svg(escaped);
            let _ = writeln!(
                html,
                "<figure>\n{svg}<figcaption>{words}</figcaption>\n</figure>"
            );
        }
        html.push_str("<ol class=\"contents\" start=\"0\">\n");
        for section in &self.sections {
            let (number, title) = (section.number, escaped(&section.title));
            let minutes = minutes(section);
            let _ = writeln!(html, "<li><a href=\"#s{number}\">{title}</a>{minutes}</li>");
        }
        html.push_str("</ol>\n");
        for section in &self.sections {
            write_section(&mut html, section);
        }
        html.push_str("</body>\n</html>\n");
        html
    }
}

const LEGEND: &str = "\
<p class=\"legend\"><span class=\"key reach\"></span> can be restored \
<span class=\"key full\"></span> full <span class=\"key differential\"></span> differential \
<span class=\"key log\"></span> log <span class=\"key at\"></span> restored to</p>
";

fn write_section(html: &mut String, section: &Section) {
    let (number, title) = (section.number, escaped(&section.title));
    let minutes = minutes(section);
    let why = escaped(&section.why);
    let _ = writeln!(
        html,
        "<section id=\"s{number}\">\n<h2><span class=\"number\">{number}</span> \
         {title}{minutes}</h2>\n<p class=\"why\">{why}</p>"
    );
    for step in &section.steps {
        match step {
            Step::Text(line) => {
                let _ = writeln!(html, "<p>{}</p>", escaped(line));
            }
            Step::Check(line) => {
                let line = escaped(line);
                let _ = writeln!(
                    html,
                    "<p class=\"check\"><span class=\"box\">\u{2610}</span> <b>Check:</b> {line}</p>"
                );
            }
            Step::Warning(line) => {
                let line = escaped(line);
                let _ = writeln!(
                    html,
                    "<p class=\"warning\"><b>\u{26A0} Warning:</b> {line}</p>"
                );
            }
            Step::Table(rows) => table(html, "rows", rows),
            Step::Command(command) => {
                let (shell, text) = (command.shell.name(), escaped_lines(&command.text));
                let _ = writeln!(html, "<pre class=\"{shell}\"><code>{text}</code></pre>");
            }
        }
    }
    html.push_str("</section>\n");
}

fn minutes(section: &Section) -> String {
    match section.minutes {
        Some(minutes) => format!(" <small>about {minutes} min</small>"),
        None => String::new(),
    }
}

fn table(html: &mut String, class: &str, rows: &[(String, String)]) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(html, "<table class=\"{class}\">");
    for (name, value) in rows {
        let (name, value) = (escaped(name), escaped(value));
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>"
        );
    }
    html.push_str("</table>\n");
}

fn escaped_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(escaped).collect();
    lines.join("\n")
}

/// A text that is shown as it is, between tags and in attributes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in shown(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}
