# Zenith's image for people who have a container engine. `npm run image` makes the same without one, byte for byte the same each
# time: Node, the libraries that it loads, the bundle, and nothing else.
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build
RUN mkdir -p /image/usr/bin /image/etc \
 && cp "$(command -v node)" /image/usr/bin/node \
 && ldd /image/usr/bin/node | grep -o '/lib[^ ]*' | xargs -I FILE cp --parents -L FILE /image \
 && cp dist/zenith.mjs /image/zenith.mjs \
 && echo 'nonroot:x:65532:65532:nonroot:/:/sbin/nologin' > /image/etc/passwd \
 && echo 'nonroot:x:65532:' > /image/etc/group \
 && echo 'hosts: files dns' > /image/etc/nsswitch.conf

FROM scratch
COPY --from=build /image /
ENV PATH=/usr/bin NODE_ENV=production
WORKDIR /
USER 65532:65532
ENTRYPOINT ["node", "/zenith.mjs"]
CMD ["--help"]
