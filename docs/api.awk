# api.awk - the public headers as a page: awk -f docs/api.awk HEADER... > docs/api.md
#
# Of each header the comment at its top, then every declaration with the comment above it. Nothing is
# known here about C but comments, braces and semicolons; the house style does the rest.

BEGIN {
    print "# libdms, from its headers\n"
    print "Made by `awk -f docs/api.awk runtime/dms.h schema/status.h schema/view.h schema/dtype.h " \
          "planner/dmsc.h`; tests/unit/test_documents.c fails where it is out of date. What may be linked " \
          "how is written in [example](example/README.md), what the exit codes mean in schema/status.h " \
          "below.\n"
    words = "^(Reads   |Returns |Cost    |Source  |Not here|Shapes  |Units   |Owner   |Errors  |Threads ) "
}

FNR == 1 {
    in_comment = in_code = is_body = 0
    print "## " FILENAME "\n"
}

# Between declarations: preprocessor lines of the file itself say nothing to a reader.
!in_comment && !in_code && (/^#(ifndef|ifdef|endif|include|if)/ || /^#define DMS_[A-Z_]+_H$/ ||
    /^extern "C"/ || /^}$/ || /^$/) { next }

!in_code && !in_comment && /^\/\*/ {
    in_comment = 1
    sub(/^\/\* ?/, "")
    is_code_open = is_item = 0
    text = ""
}

in_comment {
    ends = sub(/ ?\*\/ *$/, "")
    sub(/^ \* ?/, "")
    add_comment($0)
    if (ends) {
        close_code()
        in_comment = 0
        if (!is_body)      # the comment at the top of the file
            print_text()
        is_body = 1
    }
    next
}

{
    code = in_code ? code "\n" $0 : $0
    in_code = 1
    line = $0
    sub(/\/\*.*\*\//, "", line)
    depth += gsub(/[{]/, "{", line) - gsub(/[}]/, "}", line)
    if (code ~ /^#define/ ? line !~ /\\$/ : depth == 0 && line ~ /;[ ]*$/) {
        print "### `" name_of(code) "`\n"
        print "```c\n" code "\n```\n"
        print_text()
        code = ""
        in_code = 0
    }
}

# One line of a comment: pictures are indented, remarks begin with a word of the house and go on
# nine columns further right.
function add_comment(line, word) {
    if (is_item && line ~ /^         /) {
        sub(/^ +/, "  ", line)
        text = text line "\n"
    } else if (line ~ /^    /) {
        if (!is_code_open)
            text = text gap() "```\n"
        is_code_open = 1
        text = text substr(line, 5) "\n"
    } else if (line ~ words) {
        close_code()
        word = substr(line, 1, 8)
        sub(/ +$/, "", word)
        text = text (is_item ? "" : gap()) "* **" word "**: " substr(line, 10) "\n"
        is_item = 1
    } else {
        close_code()
        text = text (is_item ? gap() : "") line "\n"
        is_item = 0
    }
}

function print_text() {
    gsub(/\n\n\n+/, "\n\n", text)
    sub(/\n+$/, "", text)
    if (text != "")
        print text "\n"
    text = ""
}

# An empty line, unless there is one.
function gap() {
    return text == "" || text ~ /(^|\n)\n$/ ? "" : "\n"
}

function close_code() {
    if (is_code_open)
        text = text "```\n"
    is_code_open = 0
}

# The name that a declaration makes: of a macro, a function, or behind a closing brace.
function name_of(code, name) {
    name = code
    if (name ~ /^#define/) {
        sub(/^#define /, "", name)
        sub(/[ (].*/, "", name)
    } else if (name ~ /^typedef/) {
        sub(/;[ ]*$/, "", name)
        sub(/.*[ \n*}]/, "", name)
    } else {
        sub(/\(.*/, "", name)
        sub(/.*[ *]/, "", name)
    }
    return name
}
