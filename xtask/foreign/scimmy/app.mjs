// A SCIM server made of SCIMMY, express and two maps: node app.mjs PORT TOKEN
//
// The library does the protocol; an application of it keeps the resources. This one keeps them in memory, and does no more
// for the library than any application has to: ids, times, unique names and the filter.

import {randomUUID, timingSafeEqual} from "node:crypto";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const [port, token] = process.argv.slice(2);
if (!port || !token) {
    console.error("usage: node app.mjs PORT TOKEN");
    process.exit(2);
}

/** Keeps the resources of one type; `unique` names the attribute that no two of them may share. */
function keep(Type, unique) {
    const byId = new Map();
    const byName = new Map();
    const key = (resource) => unique && String(resource[unique]).toLowerCase();

    const find = (id) => {
        const found = byId.get(id);
        if (!found) throw new SCIMMY.Types.Error(404, null, `Resource ${id} not found`);
        return found;
    };

    const write = (request, instance) => {
        const data = JSON.parse(JSON.stringify(instance));
        const before = request.id === undefined ? undefined : find(request.id);
        const now = new Date().toISOString();
        const resource = {
            ...data,
            id: before?.id ?? randomUUID(),
            meta: {created: before?.meta.created ?? now, lastModified: now},
        };
        if (unique) {
            const owner = byName.get(key(resource));
            if (owner !== undefined && owner !== resource.id)
                throw new SCIMMY.Types.Error(409, "uniqueness", `${unique} is taken`);
            if (before) byName.delete(key(before));
            byName.set(key(resource), resource.id);
        }
        byId.set(resource.id, resource);
        return resource;
    };

    SCIMMY.Resources.declare(Type, {
        ingress: write,
        egress: (request) => {
            if (request.id !== undefined) return find(request.id);
            const all = [...byId.values()];
            return request.filter ? request.filter.match(all) : all;
        },
        degress: (request) => {
            const gone = find(request.id);
            byId.delete(gone.id);
            if (unique) byName.delete(key(gone));
        },
    });
}

SCIMMY.Config.set({patch: true, filter: true, sort: true, bulk: true});
keep(SCIMMY.Resources.User, "userName");
keep(SCIMMY.Resources.Group);

const wanted = Buffer.from(`Bearer ${token}`);
const app = express();
app.use("/scim", new SCIMMYRouters({
    type: "bearer",
    handler: (request) => {
        const given = Buffer.from(request.header("Authorization") ?? "");
        if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw new Error("the token is wrong");
        return "the-client";
    },
}));
const server = app.listen(Number(port), "127.0.0.1", (error) => {
    if (error) {
        console.error(`${error}`);
        process.exit(1);
    }
    console.log(`listening on http://127.0.0.1:${server.address().port}/scim`);
});
