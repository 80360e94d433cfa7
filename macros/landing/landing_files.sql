{#
    The files of a stream that are there now, and what else is there.

    Where they are is the variable `landing`: per stream one location or a list of them. A location
    is a folder (its files that match the stream's pattern), a glob, an s3:// or http(s):// address
    (globs and {a,b} or {1..9} ranges as ClickHouse reads them).

    Arguments: stream: its name; pattern: glob of the file names that belong to it in a folder
    Returns:   {files, left_alone}, both lists by name
               files:      {path, file_name, location, format, batch_date, is_undated, date_error,
                           file_size, file_mtime}; path is what the engine calls the file (_path);
                           file_name is the path below the location's fixed part, bytes that are no
                           UTF-8 as \\xE9; batch_date comes from the date in the name, else
                           (is_undated) from the day the file was written; date_error says why
                           neither gives a day; file_size is in bytes, file_mtime in UTC
               left_alone: {file_name, reason, is_data, ...}: what is in a location and not read;
                           is_data: its name is that of a kind of file that could be read
    Errors:    a compile error that says where it looked when there is no file at all
#}
{% macro landing_files(stream, pattern) %}
    {% set locations = var('landing').get(stream) %}
    {% if not locations %}
        {{ exceptions.raise_compiler_error(
            "No landing location for stream " ~ stream ~ ": set the variable landing, for example "
            ~ "--vars '{landing: {" ~ stream ~ ": path/to/folder}}'."
        ) }}
    {% endif %}
    {% set files = [] %}
    {% set left_alone = [] %}
    {% for location in ([locations] if locations is string else locations) %}
        {% set listed = _list_location(location, pattern) %}
        {% do files.extend(listed.files) %}
        {% do left_alone.extend(listed.left_alone) %}
    {% endfor %}
    {% if not files %}
        {{ exceptions.raise_compiler_error(
            "No files of stream " ~ stream ~ " in " ~ locations ~ ": put files named " ~ pattern
            ~ " (.csv, .tsv, .jsonl, .parquet, .avro; .gz and .zst too) there, or point the variable "
            ~ "landing at where they are."
            ~ (" Left alone there: " ~ adapter.shown_text(_some(left_alone | map(attribute='file_name') | list)) ~ "." if left_alone)
        ) }}
    {% endif %}
    {% set names = files | map(attribute='file_name') | list %}
    {% for name in names if names.count(name) > 1 %}
        {{ exceptions.raise_compiler_error(
            "Two files of stream " ~ stream ~ " are both named " ~ adapter.shown_text(name) ~ " in " ~ locations
            ~ ": rename one of them, or use one location above both."
        ) }}
    {% endfor %}
    {{ return({
        'files': files | sort(attribute='file_name'),
        'left_alone': left_alone | sort(attribute='file_name'),
    }) }}
{% endmacro %}

{# A list of texts in one line, the first three of them by name. #}
{% macro _some(texts) %}
    {{ return(
        texts[:3] | join(', ') ~ (' and ' ~ (texts | length - 3) ~ ' more' if texts | length > 3)
    ) }}
{% endmacro %}

{#
    Say in the run's output what is in the landing location and is not read, one line a reason.
    Files of a kind that could be read are in the ledger as well, and an alert (files_left_alone).
#}
{% macro tell_left_alone(left_alone) %}
    {% set reasons = {} %}
    {% for file in left_alone %}{% do reasons.setdefault(file.reason, []).append(file.file_name) %}{% endfor %}
    {% for reason, names in reasons.items() %}
        {{ log(adapter.shown_text('Left alone, ' ~ reason ~ ': ' ~ _some(names)), info=true) }}
    {% endfor %}
{% endmacro %}

{#
    Whether a location is a folder, whose files are those that match the stream's pattern; globs,
    single files and addresses are what they are.
#}
{% macro _is_folder(location) %}
    {% set last = location.rstrip('/').split('/')[-1] %}
    {{ return(location.endswith('/') or not modules.re.search('[*?{]|[.][a-z0-9]+$', last)) }}
{% endmacro %}

{% macro _list_location(location, pattern) %}
    {% set is_folder = _is_folder(location) %}
    {# Of a folder everything is listed, so that what is passed over can be told. In a bucket that
       could be millions of objects, on a web server there is no list. #}
    {% set glob = (
        location.rstrip('/') ~ '/' ~ (pattern if '://' in location else '*') if is_folder else location
    ) %}
    {% set fixed = modules.re.split('[*?{]', glob)[0].rpartition('/')[0] ~ '/' %}
    {% set base = modules.re.sub('^(s3|https?)://[^/]*', '', fixed) if '://' in fixed else fixed %}
    {% set listing %}
        with
        found as (
            select
                _path as full_path,
                if(
                    position(_path, {{ sql_string(base) }}) > 0,
                    substring(
                        _path,
                        position(_path, {{ sql_string(base) }}) + length({{ sql_string(base) }})
                    ),
                    _file
                ) as name,
                _size as size,
                _time as changed_at
            from {{ read_location(glob, 'One') }}
        )
        select
            if(isValidUTF8(full_path), full_path, '') as path,
            {{ _readable_name('name') }} as file_name,
            toString(coalesce(toDate(changed_at, 'UTC'), toDate(0))) as written_on,
            toUInt64(size) as file_size,
            toString(coalesce(changed_at, toDateTime(0)), 'UTC') as file_mtime
        from found
        where size is not null and not startsWith(splitByChar('/', name)[-1], '.')
        order by file_name
    {% endset %}
    {% set answer = adapter.try_query(listing, fetch=true) %}
    {% if answer.error and 'FILE_DOESNT_EXIST' not in answer.error %}
        {{ exceptions.raise_compiler_error(
            "The landing location " ~ location ~ " cannot be listed: " ~ answer.error
        ) }}
    {% endif %}
    {% set root = modules.re.match('(s3|https?)://[^/]*', location) %}
    {% set files = [] %}
    {% set left_alone = [] %}
    {% for found in answer.rows %}
        {% set name = classify_file(found.file_name, pattern if is_folder else none) %}
        {% set path = found.path.lstrip('/') if root and root.group(1) != 's3' else found.path %}
        {% set day = date_in_name(found.file_name) %}
        {% set file = {
            'path': found.path,
            'file_name': found.file_name,
            'location': (
                's3://' ~ found.path.lstrip('/') if root and root.group(1) == 's3'
                else root.group(0) ~ '/' ~ path if root
                else found.path
            ),
            'format': name.format,
            'batch_date': day.date or (
                found.written_on if found.written_on != '1970-01-01' else run_started_at.strftime('%Y-%m-%d')
            ),
            'is_undated': day.date is none,
            'date_error': day.error or (
                'neither its name nor its time of change says of which day it is'
                if day.date is none and found.written_on == '1970-01-01' else ''
            ),
            'file_size': found.file_size,
            'file_mtime': found.file_mtime,
            'reason': name.reason,
            'is_data': name.format != '',
        } %}
        {% if not name.reason %}
            {% do files.append(file) %}
        {% elif not name.is_of_other_stream %}
            {% do left_alone.append(file) %}
        {% endif %}
    {% endfor %}
    {% if is_folder and not root %}
        {% for name, reason in adapter.entries_besides_files(location).items() %}
            {% do left_alone.append({'file_name': name, 'reason': reason, 'is_data': false}) %}
        {% endfor %}
    {% endif %}
    {{ return({'files': files, 'left_alone': left_alone}) }}
{% endmacro %}
