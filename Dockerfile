# Syncline as one static binary in an image without a shell. docs/deployment.md
# tells how to run it.

FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -ldflags="-s -w" -o /out/syncline .
RUN mkdir /out/db

# CA certificates, time zones and a user, nothing else.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/syncline /syncline
# A new volume takes the owner of what it covers.
COPY --from=build --chown=65532:65532 /out/db /db
ENV SQLITE_DIR_PATH=/db
VOLUME /db
WORKDIR /
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s CMD ["/syncline", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/syncline"]
CMD ["serve"]
