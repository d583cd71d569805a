// Routes of an endpoint: variants by weight, containers in series, shadows, data capture (contract 10.8, 10.9, 14, 17.1).
//
// The table of routes is read for each request, so that the endpoint changes it by renaming a file and no connection
// is lost. Fractions are cut from nginx's random request id, which a shadow shares with the request that it repeats.

import fs from 'fs';

// between two containers, in bytes
const MAX_BETWEEN = 5 * 1024 * 1024;
const SESSION_HEADERS = 'x-amzn-sagemaker-';

async function invoke(r) {
    if (r.method != 'POST') {
        r.headersOut['Allow'] = 'POST';
        refuse(r, 405, 'ValidationError', {Message: `method: must be POST; got ${r.method}`});
        return;
    }
    const table = JSON.parse(fs.readFileSync(r.variables.routes));
    const id = r.variables.request_id;
    const variant = chosen(r, table.variants, fraction(id, 0));
    if (!variant) {
        const names = table.variants.map(each => each.name).join(', ');
        const got = r.headersIn['X-Amzn-SageMaker-Target-Variant'];
        refuse(r, 400, 'ValidationError', {Message: `target variant: must be among ${names}; got "${got}"`});
        return;
    }
    const input = {type: r.headersIn['Content-Type'] || '', body: r.requestBuffer || Buffer.from('')};
    table.shadows.filter(each => fraction(id, 8) * 100 < each.sampling_percentage).forEach(each => {
        r.subrequest(`/_shadow/${each.name}`, {method: 'POST', body: input.body, detached: true});
    });
    const output = await answer(r, variant, id, input);
    r.headersOut['x-Amzn-Invoked-Production-Variant'] = variant.name;
    if (output.fault) {
        refuse(r, 424, 'ModelError', output.fault);
        return;
    }
    capture(r, table, variant.name, id, input, output);
    for (let name in output.headers) {
        if (name.toLowerCase().startsWith(SESSION_HEADERS)) {
            r.headersOut[name] = output.headers[name];
        }
    }
    r.headersOut['Content-Type'] = output.type;
    send(r, output.status, output.body);
}

async function shadow(r) {
    const table = JSON.parse(fs.readFileSync(r.variables.routes));
    const id = r.headersIn['X-Sagecask-Event'];
    const name = r.uri.slice('/shadow/'.length);
    const variant = table.shadows.find(each => each.name == name);
    if (variant) {
        const input = {type: r.headersIn['Content-Type'] || '', body: r.requestBuffer || Buffer.from('')};
        const output = await answer(r, variant, id, input);
        if (output.fault) {
            r.error(`shadow variant ${name}: ${output.fault.Message}`);
        } else {
            capture(r, table, name, id, input, output);
        }
    }
    send(r, 204);
}

function send(r, status, body) {
    try {
        r.return(status, body);
    } catch (error) {
        // the client has left; nobody waits for a shadow
    }
}

function fraction(id, start) {
    return parseInt(id.slice(start, start + 8), 16) / 0x100000000;
}

function chosen(r, variants, point) {
    const target = r.headersIn['X-Amzn-SageMaker-Target-Variant'];
    if (target) {
        return variants.find(each => each.name == target);
    }
    const total = variants.reduce((sum, each) => sum + each.weight, 0);
    let left = point * total;
    return variants.find(each => (left -= each.weight) < 0);
}

// Ask the containers of one instance in turn; another instance where the first container cannot be reached.
async function answer(r, variant, id, input) {
    const count = variant.instances.length;
    const first = Math.floor(fraction(id, 16) * count);
    let output;
    for (let step = 0; step < count; step++) {
        output = await series(r, variant.instances[(first + step) % count], input);
        if (!output.unreached) {
            break;
        }
    }
    return output;
}

async function series(r, containers, input) {
    let type = input.type;
    let body = input.body;
    let reply;
    for (let index = 0; index < containers.length; index++) {
        const container = containers[index];
        const last = index == containers.length - 1;
        r.variables.container_type = type;
        // an earlier container answers in its own default type (14.4)
        r.variables.container_accept = last ? r.headersIn['Accept'] || '' : '';
        reply = await r.subrequest(`/_container/${container.port}`, {method: 'POST', body: body});
        type = reply.headersOut['Content-Type'] || '';
        body = reply.responseBuffer || Buffer.from('');
        if (reply.status < 200 || reply.status > 299) {
            return {fault: fault(container.name, reply.status, body.toString()), unreached: !index && reply.status == 502};
        }
        if (!last && body.length > MAX_BETWEEN) {
            const text = `must answer with at most ${MAX_BETWEEN} bytes to the next container; got ${body.length}`;
            return {fault: fault(container.name, reply.status, text)};
        }
    }
    return {status: reply.status, type: type, body: body, headers: reply.headersOut};
}

function fault(container, status, message) {
    const said = message.trim();
    return {
        Message: `container ${container}: the answer must be a success; got ${status}: ${said}`,
        OriginalMessage: said,
        OriginalStatusCode: status,
        LogStreamArn: '',
    };
}

function refuse(r, status, kind, content) {
    r.headersOut['x-amzn-ErrorType'] = kind;
    r.headersOut['Content-Type'] = 'application/json';
    send(r, status, JSON.stringify(content) + '\n');
}

function capture(r, table, variant, id, input, output) {
    const wanted = table.capture;
    if (!wanted || fraction(id, 24) * 100 >= wanted.sampling_percentage) {
        return;
    }
    const data = {};
    if (wanted.input) {
        data.endpointInput = side(wanted, 'INPUT', input);
    }
    if (wanted.output) {
        data.endpointOutput = side(wanted, 'OUTPUT', output);
    }
    const now = new Date().toISOString();
    const event = {eventId: id.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')};
    const inference = r.headersIn['X-Amzn-SageMaker-Inference-Id'];
    const attributes = r.headersIn['X-Amzn-SageMaker-Custom-Attributes'];
    if (inference) {
        event.inferenceId = inference;
    }
    if (attributes) {
        event.customAttributes = [attributes];
    }
    event.inferenceTime = now.slice(0, 19) + 'Z';
    const line = JSON.stringify({captureData: data, eventMetadata: event, eventVersion: '0'}) + '\n';
    const hour = now.slice(0, 13).replace(/[-T]/g, '/');
    try {
        append(`${wanted.folder}/${table.endpoint}/${variant}/${hour}`, now.slice(14, 16), r.variables, wanted, line);
    } catch (error) {
        // an endpoint answers whether or not its disk is full
        r.error(`data capture: the line must be written; got ${error.message}`);
    }
}

// A new file each minute and where one is full; worker processes write files of their own.
function append(folder, minute, variables, wanted, line) {
    const start = `${folder}/${minute}-${variables.generation}-${variables.pid}`;
    for (let number = 0; ; number++) {
        const path = `${start}-${number}.jsonl`;
        const written = size(path);
        if (written < wanted.max_file_bytes) {
            if (!written) {
                fs.mkdirSync(folder, {recursive: true});
            }
            fs.appendFileSync(path, line);
            return;
        }
    }
}

function size(path) {
    try {
        return fs.statSync(path).size;
    } catch (error) {
        return 0;
    }
}

function side(wanted, mode, message) {
    const essence = message.type.split(';')[0].trim().toLowerCase();
    let encoding = 'BASE64';
    if (wanted.csv_content_types.includes(essence)) {
        encoding = 'CSV';
    } else if (wanted.json_content_types.includes(essence)) {
        encoding = 'JSON';
    }
    let data = '';
    if (encoding != 'BASE64') {
        try {
            data = new TextDecoder('utf-8', {fatal: true}).decode(message.body);
        } catch (error) {
            encoding = 'BASE64';
        }
    }
    if (encoding == 'BASE64') {
        data = message.body.toString('base64');
    }
    return {observedContentType: message.type, mode: mode, data: data, encoding: encoding};
}

export default {invoke, shadow};
