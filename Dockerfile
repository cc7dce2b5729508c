# docker build -t nanoseg:0.1.0 .
# The base image is pinned by its tag; pin it by digest too (node:TAG@sha256:…) where your registry rules ask for that.

FROM node:26.10.0-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY cli ./cli
COPY controller ./controller
RUN npm run build

FROM node:26.10.0-bookworm-slim AS dependencies
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:26.10.0-bookworm-slim
LABEL org.opencontainers.image.title="nanoseg" \
      org.opencontainers.image.description="Turns observed container traffic into the smallest Kubernetes NetworkPolicies: proved, reviewed, reversible" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production
WORKDIR /app
COPY package.json LICENSE ./
COPY cli/nanoseg.js ./cli/nanoseg.js
COPY --from=dependencies /src/node_modules ./node_modules
COPY --from=build /src/dist ./dist
# numeric, so that Kubernetes can see that it is not root
USER 65532:65532
EXPOSE 8443 8444 8081
HEALTHCHECK NONE
# no shell and no init in between: nanoseg gets SIGTERM itself and starts no processes that somebody would have to reap
ENTRYPOINT ["node", "/app/cli/nanoseg.js"]
CMD ["controller"]
